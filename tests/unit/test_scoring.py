"""Scores: Eq. 1 of µ2Net+ and hard limits, monotone in every factor, and bars that agree with them."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taskgrove.domain.errors import BadValueError
from taskgrove.scoring.base import AbstractScore, Cost
from taskgrove.scoring.decay import DecayScore
from taskgrove.scoring.limit import BEYOND, LimitScore
from taskgrove.scoring.quality import QualityScore

costs = st.builds(Cost, accounted_params=st.floats(0, 1e7), flops=st.integers(0, 10**8))
scores = st.builds(
    DecayScore,
    scale=st.floats(0.5, 1.0),
    params_constant=st.sampled_from([0.0, 1.0e6, 1.5e6]),
    flops_constant=st.sampled_from([0.0, 1.5e7]),
)
qualities = st.floats(0, 1)
sizes = st.sampled_from([1.0, 1.0e3, 1.5e6])
limits = st.one_of(
    st.builds(LimitScore, max_params=sizes),
    st.builds(LimitScore, max_flops=sizes),
    st.builds(LimitScore, max_params=sizes, max_flops=sizes),
)
anything = st.one_of(scores, limits, st.just(QualityScore()))
NUM_VAL = 5_120
"""Validation images at most: a quality is a fraction of that."""


def cost(params: float, flops: int) -> Cost:
    return Cost(accounted_params=params, flops=flops)


def test_equation_1() -> None:
    score = DecayScore(scale=0.9, params_constant=100.0, flops_constant=10.0)
    assert score.score(0.8, cost(50.0, 30)) == pytest.approx(0.8 * 0.9**0.5 * 0.9**3, rel=1e-14)


def test_a_percent_of_quality_for_every_constant_at_scale_99() -> None:
    score = DecayScore(scale=0.99, params_constant=100.0, flops_constant=10.0)
    assert score.score(1.0, cost(100.0, 0)) == 0.99
    assert score.score(1.0, cost(0.0, 10)) == 0.99


def test_a_constant_of_zero_leaves_its_factor_out() -> None:
    assert DecayScore(scale=0.9, params_constant=0, flops_constant=10.0).factor(cost(1e9, 10)) == 0.9
    assert DecayScore(scale=0.9, params_constant=10.0, flops_constant=0).factor(cost(10.0, 10**9)) == 0.9
    assert DecayScore(scale=0.9, params_constant=0, flops_constant=0).factor(cost(1e9, 10**9)) == 1.0


def test_a_scale_of_one_is_quality_alone() -> None:
    score = DecayScore(scale=1.0, params_constant=1.0, flops_constant=1.0)
    assert score.score(0.7, cost(1e6, 10**6)) == 0.7 == QualityScore().score(0.7, cost(1e6, 10**6))


@given(anything, costs, st.floats(0, 1e6), st.integers(0, 10**7))
def test_a_factor_never_grows_with_a_cost(
    score: AbstractScore, base: Cost, params: float, flops: int
) -> None:
    factor = score.factor(base)
    assert 0.0 < factor <= 1.0
    assert score.factor(cost(base.accounted_params + params, base.flops)) <= factor
    assert score.factor(cost(base.accounted_params, base.flops + flops)) <= factor


def test_a_factor_falls_with_each_cost_that_counts() -> None:
    score = DecayScore(scale=0.9, params_constant=100.0, flops_constant=10.0)
    factors = [score.factor(cost(10.0 * n, 5)) for n in range(5)]
    assert factors == sorted(set(factors), reverse=True)
    factors = [score.factor(cost(10.0, n)) for n in range(5)]
    assert factors == sorted(set(factors), reverse=True)


@given(anything, costs, qualities, qualities)
def test_a_score_never_falls_with_quality(score: AbstractScore, at: Cost, one: float, two: float) -> None:
    low, high = sorted((one, two))
    assert score.score(low, at) <= score.score(high, at)


@given(anything, costs, costs, qualities, qualities)
def test_a_child_that_deserves_to_be_kept_reaches_its_bar(
    score: AbstractScore, parent: Cost, child: Cost, parents: float, childs: float
) -> None:
    target = score.score(parents, parent)
    if score.score(childs, child) >= target:
        assert childs >= score.bar(target, child)


@given(anything, costs, qualities)
def test_a_quality_at_the_bar_scores_the_target(score: AbstractScore, at: Cost, target: float) -> None:
    assert math.isclose(score.score(score.bar(target, at), at), target, rel_tol=1e-11)


@given(anything, costs, qualities)
def test_a_child_as_good_and_as_costly_as_its_parent_reaches_its_bar(
    score: AbstractScore, at: Cost, quality: float
) -> None:
    assert quality >= score.bar(score.score(quality, at), at)


@given(
    st.floats(0.5, 0.99),
    st.floats(0, 20),
    st.floats(0, 20),
    st.floats(0.01, 5),
    st.floats(0.01, 1),
)
def test_a_score_of_decay_falls_with_each_cost_and_grows_with_quality(
    scale: float, size: float, compute: float, more: float, quality: float
) -> None:
    """Costs in units of P and F0."""
    score = DecayScore(scale=scale, params_constant=1e6, flops_constant=1e7)

    def at(p: float, f: float, q: float = quality) -> float:
        return score.score(q, cost(p * 1e6, round(f * 1e7)))

    assert at(size + more, compute) < at(size, compute)
    assert at(size, compute + more) < at(size, compute)
    assert at(size, compute, quality * 0.99) < at(size, compute)
    assert at(size + more, compute) == pytest.approx(at(size, compute) * scale**more, rel=1e-5)


@given(anything, costs, st.integers(1, NUM_VAL), st.integers(1, NUM_VAL))
def test_at_equal_cost_a_strict_bar_is_reached_by_better_children_alone(
    score: AbstractScore, at: Cost, parents: int, childs: int
) -> None:
    bar = score.bar(score.score(parents / NUM_VAL, at), at, strict=True)
    assert (childs / NUM_VAL >= bar) == (childs > parents)


@given(anything, costs, costs, st.integers(1, NUM_VAL), st.integers(1, NUM_VAL))
def test_a_strict_bar_is_reached_exactly_by_higher_scores(
    score: AbstractScore, parent: Cost, child: Cost, parents: int, childs: int
) -> None:
    target, reached = score.score(parents / NUM_VAL, parent), score.score(childs / NUM_VAL, child)
    assume(not math.isclose(target, reached, rel_tol=1e-11))
    assert (childs / NUM_VAL >= score.bar(target, child, strict=True)) == (reached > target)


@given(anything, costs, st.floats(0.001, 1))
def test_a_strict_bar_is_a_hair_higher(score: AbstractScore, at: Cost, target: float) -> None:
    usual, strict = score.bar(target, at), score.bar(target, at, strict=True)
    assert usual < target / score.factor(at) < strict
    assert math.isclose(usual, strict, rel_tol=1e-11)


def test_within_its_limits_only_quality_counts() -> None:
    score = LimitScore(max_params=100.0, max_flops=10.0)
    for at in (cost(0.0, 0), cost(100.0, 0), cost(0.0, 10), cost(100.0, 10)):
        assert score.score(0.7, at) == 0.7


def test_a_limit_that_is_not_given_does_not_bind() -> None:
    assert LimitScore(max_params=100.0).factor(cost(100.0, 10**12)) == 1.0
    assert LimitScore(max_flops=10.0).factor(cost(1e12, 10)) == 1.0


def test_the_edge_of_a_limit_is_within_and_the_next_value_beyond() -> None:
    score = LimitScore(max_params=100.0, max_flops=10.0)
    assert score.factor(cost(math.nextafter(100.0, 101.0), 10)) < 2 * BEYOND
    assert score.factor(cost(100.0, 11)) == pytest.approx(BEYOND / 1.1)


def test_beyond_its_limits_a_score_falls_with_the_excess_over_each() -> None:
    score = LimitScore(max_params=100.0, max_flops=10.0)
    assert score.score(0.5, cost(200.0, 10)) == pytest.approx(0.5 * BEYOND / 2)
    assert score.score(0.5, cost(100.0, 40)) == pytest.approx(0.5 * BEYOND / 4)
    assert score.score(0.5, cost(200.0, 40)) == pytest.approx(0.5 * BEYOND / 8)
    assert score.score(0.5, cost(200.0, 1)) == score.score(0.5, cost(200.0, 10))


@given(limits, costs, costs, st.integers(1, NUM_VAL))
def test_any_model_within_the_limits_beats_any_beyond(
    score: LimitScore, one: Cost, two: Cost, correct: int
) -> None:
    within = [at for at in (one, two, cost(0.0, 0)) if score.factor(at) == 1.0]
    beyond = [at for at in (one, two, cost(1e9, 10**9)) if score.factor(at) < 1.0]
    for inner in within:
        for outer in beyond:
            assert score.score(correct / NUM_VAL, inner) > score.score(1.0, outer)


@given(limits, costs)
def test_a_model_is_within_when_it_keeps_every_limit(score: LimitScore, at: Cost) -> None:
    kept = at.accounted_params <= (score.max_params or math.inf) and at.flops <= (score.max_flops or math.inf)
    assert (score.factor(at) == 1.0) == kept


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_impossible_limits_are_refused(value: float) -> None:
    with pytest.raises(BadValueError, match=r"score\.max_params must be positive and finite, got"):
        LimitScore(max_params=value)
    with pytest.raises(BadValueError, match=r"score\.max_flops must be positive and finite, got"):
        LimitScore(max_flops=value)


def test_limits_without_a_limit_are_refused() -> None:
    with pytest.raises(BadValueError, match=r"needs score\.max_params, score\.max_flops or both"):
        LimitScore()


def test_any_quality_reaches_the_bar_of_no_target() -> None:
    assert DecayScore(scale=0.5, params_constant=1e6, flops_constant=0).bar(0.0, cost(5e6, 0)) == 0.0


@pytest.mark.parametrize("scale", [0.0, -0.1, 1.1, math.nan, math.inf])
def test_a_scale_outside_its_range_is_refused(scale: float) -> None:
    with pytest.raises(BadValueError, match=r"score\.scale must be in \]0, 1\], got"):
        DecayScore(scale=scale, params_constant=1.0, flops_constant=1.0)


@pytest.mark.parametrize(
    ("params", "flops"), [(-1.0, 1.0), (1.0, -1.0), (float("nan"), 1.0), (1.0, float("inf"))]
)
def test_impossible_constants_are_refused(params: float, flops: float) -> None:
    with pytest.raises(BadValueError, match="must not be negative"):
        DecayScore(scale=0.9, params_constant=params, flops_constant=flops)
