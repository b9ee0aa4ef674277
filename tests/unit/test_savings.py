"""Savings that change the search: off by default, and named in the result where they took effect."""

from __future__ import annotations

from dataclasses import replace

import pytest

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.jobs import TrainConfig, TrainResult
from taskgrove.domain.records import Model
from taskgrove.experiment.spec import TrainSpec
from taskgrove.store.store import Store
from taskgrove.trainer.fast import FastLearner
from tests.unit.small_jobs import CONFIG, make_job, make_trainer, root, store

__all__ = ["root", "store"]  # fixtures, which pytest finds by name

NUM_VAL = 30


def trained(
    store: Store,
    root: Model,
    monkeypatch: pytest.MonkeyPatch,
    correct: list[int],
    *,
    bar: float = 0.0,
    **config: float,
) -> tuple[TrainResult, list[int]]:
    """A child whose validations find so many images right, and on how many it was validated each time."""
    script, seen = iter(correct), list[int]()

    def num_correct(_: FastLearner, num_val: int) -> int:
        seen.append(num_val)
        return next(script)

    monkeypatch.setattr(FastLearner, "num_correct", num_correct)
    changed = replace(CONFIG, cycles=len(correct), samples_cap=16, **config)  # type: ignore[arg-type]
    result = make_trainer(store).train(make_job(root, config=changed, bar=bar, flops=1000))
    assert isinstance(result, TrainResult)
    return result, seen


def test_by_default_every_child_is_trained_and_validated_in_full(
    store: Store, root: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (TrainConfig().hopeless, TrainConfig().val_first) == (0.0, 0)
    result, seen = trained(store, root, monkeypatch, [1, 2, 3, 4], bar=1.5)
    assert seen == [NUM_VAL] * 4
    assert (result.saved, len(result.losses), result.trained) == ((), 4, {})


@pytest.mark.parametrize(
    ("correct", "bar", "cycles"),
    [
        ([3, 24, 24, 24], 0.9, 1),  # 0.1 is more than 0.5 below 0.9
        ([12, 12, 12, 12], 0.9, 4),  # exactly 0.5 below is not more
        ([15, 3, 3, 3], 0.9, 4),  # the best so far counts, not the last
        ([30, 30, 30, 30], 1.6, 1),  # a bar that nothing reaches
        ([0, 0, 0, 0], 0.0, 4),
    ],
)
def test_a_child_far_below_its_bar_is_ended(
    store: Store, root: Model, monkeypatch: pytest.MonkeyPatch, correct: list[int], bar: float, cycles: int
) -> None:
    result, seen = trained(store, root, monkeypatch, correct, bar=bar, hopeless=0.5)
    assert len(seen) == len(result.losses) == len(result.accuracies) == cycles
    assert result.samples == cycles * 16
    assert result.saved == (("hopeless",) if cycles < 4 else ())
    if cycles < 4:
        assert result.trained == {}
        full, _ = trained(store, root, monkeypatch, correct, bar=bar)
        assert result.losses == full.losses[:cycles]
        assert result.flops * 4 == full.flops * cycles


def test_first_cycles_may_be_validated_on_fewer_images_and_are_not_kept(
    store: Store, root: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, seen = trained(store, root, monkeypatch, [10, 10, 6, 9], val_first=10)
    assert seen == [10, 10, NUM_VAL, NUM_VAL]
    assert result.accuracies == (1.0, 1.0, 0.2, 0.3)
    assert (result.best_cycle, result.quality, result.val_samples) == (4, 0.3, NUM_VAL)
    assert result.saved == ("val_first",)
    full, _ = trained(store, root, monkeypatch, [10, 10, 6, 9])
    assert full.quality == pytest.approx(1 / 3)
    assert full.flops - result.flops == 1000 * 2 * (NUM_VAL - 10), "two validations on 20 images less"


def test_a_subset_as_large_as_the_whole_saves_nothing(
    store: Store, root: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _ = trained(store, root, monkeypatch, [5, 4, 3])
    assert trained(store, root, monkeypatch, [5, 4, 3], val_first=NUM_VAL)[0] == plain


def test_a_child_of_one_cycle_is_validated_in_full(
    store: Store, root: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, seen = trained(store, root, monkeypatch, [5], val_first=10, bar=1.0, hopeless=0.5)
    assert (seen, result.best_cycle, result.saved) == ([NUM_VAL], 1, ())


def test_impossible_savings_are_refused() -> None:
    with pytest.raises(BadValueError, match=r"train\.hopeless .* got 1\.5"):
        TrainSpec(hopeless=1.5)
    with pytest.raises(BadValueError, match=r"train\.val_first .* got -1"):
        TrainSpec(val_first=-1)
