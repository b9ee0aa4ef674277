"""The three schedules against plain formulas."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import HparamValue
from taskgrove.trainer.optim import LearningRate
from tests.unit.plain_rate import plain_cosine

cycles = st.integers(1, 6)
steps = st.integers(1, 40)
warmups = st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.4])
peaks = st.sampled_from([0.0001, 0.01, 0.5])


def rate(
    schedule: str, peak: float = 0.1, warmup: float = 0.2, num_cycles: int = 5, per_cycle: int = 20
) -> LearningRate:
    return LearningRate(
        peak=peak,
        warmup=warmup,
        schedule=schedule,
        num_steps=num_cycles * per_cycle,
        steps_per_cycle=per_cycle,
    )


def rates(of: LearningRate) -> list[float]:
    return [of.at(step) for step in range(of.num_steps)]


def test_a_cosine_warms_up_from_near_zero_and_ends_near_zero() -> None:
    found = rates(rate("cosine"))
    assert found[0] == pytest.approx(0.1 / 21)
    assert max(found) == pytest.approx(0.1)
    assert found.index(max(found)) == 20
    assert found[:20] == sorted(found[:20])
    assert found[20:] == sorted(found[20:], reverse=True)
    assert found[-1] < 0.1 * 0.001
    assert rate("cosine", warmup=0.0).at(0) == pytest.approx(0.1)


@given(peaks, warmups, cycles, steps)
def test_a_cosine_goes_over_the_whole_training(
    peak: float, warmup: float, num_cycles: int, per_cycle: int
) -> None:
    total = num_cycles * per_cycle
    expected = [plain_cosine(step, total, peak, warmup) for step in range(total)]
    assert rates(rate("cosine", peak, warmup, num_cycles, per_cycle)) == pytest.approx(expected)


@given(peaks, warmups, cycles, steps)
def test_restarts_repeat_the_shape_in_every_train_cycle(
    peak: float, warmup: float, num_cycles: int, per_cycle: int
) -> None:
    once = [plain_cosine(step, per_cycle, peak, warmup) for step in range(per_cycle)]
    found = rates(rate("restarts", peak, warmup, num_cycles, per_cycle))
    assert found == pytest.approx(once * num_cycles)
    assert found == found[:per_cycle] * num_cycles


@given(peaks, warmups, cycles, steps)
def test_a_constant_is_half_the_peak_from_the_first_step_to_the_last(
    peak: float, warmup: float, num_cycles: int, per_cycle: int
) -> None:
    assert set(rates(rate("constant", peak, warmup, num_cycles, per_cycle))) == {peak / 2}


def test_a_constant_is_the_mean_of_a_cosine_without_warm_up() -> None:
    found = rates(rate("cosine", warmup=0.0, num_cycles=100, per_cycle=100))
    assert sum(found) / len(found) == pytest.approx(rate("constant").at(0), rel=1e-3)


@given(warmups, steps)
def test_one_cycle_with_restarts_is_a_cosine(warmup: float, per_cycle: int) -> None:
    one = rate("restarts", warmup=warmup, num_cycles=1, per_cycle=per_cycle)
    assert rates(one) == rates(rate("cosine", warmup=warmup, num_cycles=1, per_cycle=per_cycle))


@given(warmups, st.integers(2, 6), st.integers(4, 40))
def test_restarts_and_a_cosine_differ_over_several_cycles(
    warmup: float, num_cycles: int, per_cycle: int
) -> None:
    assume(warmup < 0.4)
    shapes = [rates(rate(s, 0.1, warmup, num_cycles, per_cycle)) for s in ("restarts", "cosine")]
    assert shapes[0] != pytest.approx(shapes[1])


@pytest.mark.parametrize("schedule", ["linear", "", "Cosine"])
def test_an_unknown_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(BadValueError, match=rf"opt\.schedule must be one of .*got '{schedule}'"):
        rate(schedule)


def test_a_schedule_is_read_from_the_hyperparameters() -> None:
    hparams: dict[str, HparamValue] = {"opt.lr": 0.05, "opt.warmup": 0.3, "opt.schedule": "restarts"}
    expected = rate("restarts", peak=0.05, warmup=0.3, num_cycles=3, per_cycle=7)
    assert LearningRate.of(hparams, num_steps=21, steps_per_cycle=7) == expected
