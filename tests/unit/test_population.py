"""The active population, its scores, and the exact probabilities of Algorithm 1, lines 6 to 16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from random import Random

import pytest

from taskgrove.agents.population import (
    Member,
    incumbents,
    others_of,
    ranked,
    sample_by_score,
    sample_parent,
    score_of,
    stranger,
)
from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import Model
from taskgrove.scoring.base import Cost
from taskgrove.scoring.quality import QualityScore
from taskgrove.testing.layouts import offspring, tiny_root, tiny_score, tiny_view
from tests.unit.exact_chance import distribution

A, B = TaskName("a"), TaskName("b")
ROOT = tiny_root()


def named(name: str) -> Model:
    return Model(id=ModelId(name), member="m", num_classes=2, components=(), hparams={})


def members(*scored: tuple[str, float]) -> list[Member]:
    return [Member(model=named(name), score=score) for name, score in scored]


def algorithm_1(
    best_first: Sequence[str], others: Sequence[str], selections: Mapping[ModelId, int]
) -> dict[str, Fraction]:
    """The distribution that lines 6 to 16 of Algorithm 1 define, by hand."""
    chances = dict.fromkeys([*best_first, *others], Fraction(0))
    orders = [*permutations(others)]
    for order in orders:
        left = Fraction(1, len(orders))
        for name in (*best_first, *order):
            taken = left * Fraction(1, 2 ** selections.get(ModelId(name), 0))
            chances[name] += taken
            left -= taken
        for name in chances:
            chances[name] += left / len(chances)
    return {name: chance for name, chance in chances.items() if chance}


@pytest.mark.parametrize(
    ("population", "others", "counts"),
    [
        ([], ["r"], {}),
        ([], ["r"], {"r": 3}),
        ([], ["r", "s"], {}),
        ([], ["r", "s", "t"], {"r": 1}),
        ([("x", 0.5)], ["r"], {}),
        ([("x", 0.5)], ["r"], {"x": 1}),
        ([("x", 0.5)], ["r", "s"], {"x": 1, "r": 2, "s": 1}),
        ([("x", 0.5), ("y", 0.7)], ["r"], {"x": 1, "y": 2, "r": 3}),
        ([("x", 0.5), ("y", 0.7)], ["r"], {"x": 3, "y": 1, "r": 1}),
        ([("x", 0.5), ("y", 0.7)], [], {"x": 2, "y": 1}),
        ([("x", 0.5)], ["r", "s", "t"], {"x": 1, "r": 1, "s": 2}),
    ],
)
def test_parents_are_sampled_with_the_probabilities_of_algorithm_1(
    population: list[tuple[str, float]], others: list[str], counts: dict[str, int]
) -> None:
    selections = {ModelId(name): count for name, count in counts.items()}
    best_first = [name for name, _ in sorted(population, key=lambda pair: -pair[1])]
    drawn = members(*population)
    rest = [named(name) for name in others]

    def sample(rng: Random) -> str:
        return sample_parent(drawn, rest, selections, rng).id

    exact = distribution(sample, grid=2 ** max(counts.values(), default=0))
    assert exact == algorithm_1(best_first, others, selections)
    assert sum(exact.values()) == 1


def test_a_model_that_was_never_selected_is_always_taken_before_those_behind_it() -> None:
    def sample(rng: Random) -> str:
        return sample_parent(members(("x", 0.5), ("y", 0.7)), [named("r")], {ModelId("r"): 9}, rng).id

    assert distribution(sample, grid=4) == {"y": Fraction(1)}


def test_a_parent_selected_a_thousand_times_can_still_be_drawn_uniformly() -> None:
    counts = {ModelId("x"): 5_000, ModelId("r"): 5_000}

    def sample(rng: Random) -> str:
        return sample_parent(members(("x", 0.5)), [named("r")], counts, rng).id

    assert distribution(sample, grid=2) == {"x": Fraction(1, 2), "r": Fraction(1, 2)}


def test_sampling_leaves_the_others_in_their_order() -> None:
    others = [named(name) for name in "rstuv"]
    sample_parent([], others, {}, Random(1))
    assert [model.id for model in others] == list("rstuv")


def test_the_ranking_is_by_score_and_the_newest_of_equals_is_first() -> None:
    population = members(("old", 0.5), ("low", 0.1), ("new", 0.5), ("high", 0.9), ("newest", 0.5))
    assert [m.model.id for m in ranked(population)] == ["high", "newest", "new", "old", "low"]


def test_the_oldest_of_equals_is_first_when_asked_for() -> None:
    population = members(("old", 0.5), ("low", 0.1), ("new", 0.5), ("high", 0.9), ("newest", 0.5))
    order = [m.model.id for m in ranked(population, oldest_first=True)]
    assert order == ["high", "old", "new", "newest", "low"]


def equation_1(
    best_first: Sequence[str], others: Sequence[str], offsprings: Mapping[ModelId, int]
) -> dict[str, Fraction]:
    """The distribution of Eq. 1 of muNet with its uniform rest, by hand."""
    chances, left = dict.fromkeys([*best_first, *others], Fraction(0)), Fraction(1)
    for name in best_first:
        taken = left * Fraction(1, 2 ** offsprings.get(ModelId(name), 0))
        chances[name] += taken
        left -= taken
    shared = {name: chance + left / len(chances) for name, chance in chances.items()}
    return {name: chance for name, chance in shared.items() if chance}


@pytest.mark.parametrize(
    ("population", "others", "counts"),
    [
        ([], ["r"], {}),
        ([], ["r", "s"], {"r": 4}),
        ([("x", 0.5)], ["r"], {}),
        ([("x", 0.5)], ["r", "s"], {"x": 1, "r": 5}),
        ([("x", 0.5), ("y", 0.7)], ["r"], {"x": 1, "y": 2, "r": 0}),
        ([("x", 0.5), ("y", 0.7), ("z", 0.6)], ["r", "s"], {"x": 3, "y": 1, "z": 2}),
        ([("x", 0.5), ("y", 0.5)], [], {"x": 1, "y": 3}),
    ],
)
def test_munets_parents_are_sampled_with_the_probabilities_of_equation_1(
    population: list[tuple[str, float]], others: list[str], counts: dict[str, int]
) -> None:
    offsprings = {ModelId(name): count for name, count in counts.items()}
    best_first = [name for name, _ in sorted(population, key=lambda pair: -pair[1])]
    drawn, rest = members(*population), [named(name) for name in others]

    def sample(rng: Random) -> str:
        return sample_by_score(drawn, rest, offsprings, rng).id

    exact = distribution(sample, grid=2 ** max(counts.values(), default=0))
    assert exact == equation_1(best_first, others, offsprings)
    assert sum(exact.values()) == 1


def test_a_population_begins_with_the_tasks_published_model() -> None:
    mine, other = offspring(ROOT, "a", quality=0.4), offspring(ROOT, "b")
    view = tiny_view(mine, other)
    score = tiny_score()
    published = Member(model=mine, score=score_of(mine, view, score))
    assert incumbents(A, view, score, mine.member) == (published,)
    assert incumbents(A, tiny_view(other), score, mine.member) == ()
    assert stranger(A, view, score, mine.member) is None


def test_a_published_model_of_another_backbone_is_no_parent_but_a_rival() -> None:
    mine, score = offspring(ROOT, "a", quality=0.4), tiny_score()
    view = tiny_view(mine)
    assert incumbents(A, view, score, "another") == ()
    assert stranger(A, view, score, "another") == Member(model=mine, score=score_of(mine, view, score))


def test_private_tasks_lend_nothing() -> None:
    view = tiny_view(offspring(ROOT, "a"), offspring(ROOT, "b"))
    everybody = others_of(A, view, ROOT.member)
    assert [m.task for m in everybody] == [None, "b"]
    tasks = {**view.tasks, B: replace(view.tasks[B], private=True)}
    assert [m.task for m in others_of(A, replace(view, tasks=tasks), ROOT.member)] == [None]
    assert [m.task for m in others_of(B, replace(view, tasks=tasks), ROOT.member)] == [None, "a"]


def test_a_score_is_of_quality_accounted_parameters_and_flops_at_the_view() -> None:
    mine = offspring(ROOT, "a", quality=0.4)
    other = offspring(ROOT, "b")
    view, score = tiny_view(mine, other), tiny_score()
    shared = sum(c.num_params for c in mine.components if c.last_task is None)
    own = mine.num_params - shared
    expected = score.score(0.4, Cost(accounted_params=own + shared / 3, flops=mine.flops))
    assert score_of(mine, view, score) == pytest.approx(expected, rel=1e-12)
    assert score_of(mine, view, QualityScore()) == 0.4


def test_the_other_models_are_all_published_ones_of_the_backbone_roots_first() -> None:
    mine, other, third = (offspring(ROOT, task) for task in "abc")
    foreign = offspring(ROOT, "d")
    object.__setattr__(foreign, "member", "another")
    view = tiny_view(mine, other, third, foreign, tasks="abcd")
    assert others_of(A, view, ROOT.member) == (ROOT, other, third)
    assert others_of(TaskName("new"), view, ROOT.member) == (ROOT, mine, other, third)
