"""Budgets shared out among generations, children and replicas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgrove.agents.effort import Effort, evolving, replicating
from taskgrove.domain.errors import BadValueError

counts = st.integers(1, 50)


def evolve(budget: int | None, cycles: int = 4, generations: int | None = None, children: int = 8) -> Effort:
    return evolving(budget, cycles, generations=generations, children=children, usual=5)


def test_without_a_budget_the_settings_decide_and_otherwise_the_methods_usual() -> None:
    assert evolve(None) == Effort(generations=5, children=8, cycles=4)
    assert evolve(None, generations=2) == Effort(generations=2, children=8, cycles=4)


@given(counts, counts, counts)
def test_a_budget_buys_whole_generations_and_is_spent_to_the_last_cycle(
    generations: int, children: int, cycles: int
) -> None:
    budget = generations * children * cycles
    effort = evolve(budget, cycles, children=children)
    assert effort == Effort(generations=generations, children=children, cycles=cycles)
    assert effort.num_children * effort.cycles == budget
    assert evolve(budget, cycles, generations, children) == effort


@given(counts, counts, st.integers(1, 10_000))
def test_a_budget_that_is_not_of_whole_generations_is_refused(
    children: int, cycles: int, budget: int
) -> None:
    if budget % (children * cycles):
        with pytest.raises(BadValueError, match=f"budget of {budget} train cycles"):
            evolve(budget, cycles, children=children)
    else:
        assert evolve(budget, cycles, children=children).generations == budget // (children * cycles)


@pytest.mark.parametrize("budget", [31, 33, 1, 0])
def test_one_cycle_more_or_less_than_a_generation_is_refused(budget: int) -> None:
    with pytest.raises(
        BadValueError, match=r"a generation takes 32 \(8 children of 4 cycles\)\. .* e\.g\. 32"
    ):
        evolve(budget)


@pytest.mark.parametrize("generations", [1, 3])
def test_a_budget_for_another_number_of_generations_than_asked_for_is_refused(generations: int) -> None:
    with pytest.raises(BadValueError, match=f"the settings ask for {generations}"):
        evolve(64, generations=generations)
    assert evolve(64, generations=2).generations == 2


def test_without_a_budget_replicas_train_like_ordinary_children() -> None:
    assert replicating(None, 4, replicas=8) == Effort(generations=1, children=8, cycles=4)


@given(counts, counts, counts)
def test_replicas_share_a_budget_equally_whatever_an_ordinary_child_gets(
    share: int, replicas: int, cycles: int
) -> None:
    effort = replicating(share * replicas, cycles, replicas=replicas)
    assert effort == Effort(generations=1, children=replicas, cycles=share)


@pytest.mark.parametrize("budget", [7, 9, 1, 15, 0])
def test_a_budget_that_replicas_cannot_share_equally_is_refused(budget: int) -> None:
    with pytest.raises(
        BadValueError, match=f"budget of {budget} train cycles, which 8 replicas cannot share"
    ):
        replicating(budget, 4, replicas=8)


@given(counts, counts, counts)
def test_search_and_replicas_spend_the_same_budget(generations: int, children: int, cycles: int) -> None:
    budget = generations * children * cycles
    search, tuned = evolve(budget, cycles, children=children), replicating(budget, cycles, replicas=children)
    assert search.num_children * search.cycles == tuned.num_children * tuned.cycles
