"""Scores: Eq. 1 of µ2Net+, monotone in every factor, and bars that agree with them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgrove.domain.errors import BadValueError
from taskgrove.scoring.base import AbstractScore, Cost
from taskgrove.scoring.decay import DecayScore
from taskgrove.scoring.quality import QualityScore

costs = st.builds(Cost, accounted_params=st.floats(0, 1e7), flops=st.integers(0, 10**8))
scores = st.builds(
    DecayScore,
    scale=st.floats(0.5, 1.0),
    params_constant=st.sampled_from([0.0, 1.0e6, 1.5e6]),
    flops_constant=st.sampled_from([0.0, 1.5e7]),
)
qualities = st.floats(0, 1)


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


@given(scores, costs, st.floats(0, 1e6), st.integers(0, 10**7))
def test_a_factor_never_grows_with_a_cost(score: DecayScore, base: Cost, params: float, flops: int) -> None:
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


@given(scores, costs, qualities, qualities)
def test_a_score_never_falls_with_quality(score: DecayScore, at: Cost, one: float, two: float) -> None:
    low, high = sorted((one, two))
    assert score.score(low, at) <= score.score(high, at)


@given(st.one_of(scores, st.just(QualityScore())), costs, costs, qualities, qualities)
def test_a_child_that_deserves_to_be_kept_reaches_its_bar(
    score: AbstractScore, parent: Cost, child: Cost, parents: float, childs: float
) -> None:
    target = score.score(parents, parent)
    if score.score(childs, child) >= target:
        assert childs >= score.bar(target, child)


@given(st.one_of(scores, st.just(QualityScore())), costs, qualities)
def test_a_quality_at_the_bar_scores_the_target(score: AbstractScore, at: Cost, target: float) -> None:
    assert math.isclose(score.score(score.bar(target, at), at), target, rel_tol=1e-11)


@given(st.one_of(scores, st.just(QualityScore())), costs, qualities)
def test_a_child_as_good_and_as_costly_as_its_parent_reaches_its_bar(
    score: AbstractScore, at: Cost, quality: float
) -> None:
    assert quality >= score.bar(score.score(quality, at), at)


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
