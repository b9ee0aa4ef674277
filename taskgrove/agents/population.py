"""The active population of a task iteration and the sampling of parents from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import Model
from taskgrove.domain.view import SystemView
from taskgrove.scoring.accounting import accounted_params
from taskgrove.scoring.base import AbstractScore, Cost

NO_CONFLICTS: Mapping[ModelId, float] = {}
"""Nothing is known of how similar tasks are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A model of the active task with its score at the iteration's view."""

    model: Model
    score: float


def score_of(model: Model, view: SystemView, score: AbstractScore) -> float:
    """The score of a model at a view; siblings of the active population do not count as sharers."""
    accounted = accounted_params(model, view, count_roots=score.count_roots)
    return score.score(model.quality, Cost(accounted_params=accounted, flops=model.flops))


def incumbents(task: TaskName, view: SystemView, score: AbstractScore, member: str) -> tuple[Member, ...]:
    """The population with which an iteration begins: the task's published model, if it has the backbone."""
    best = view.best(task)
    if best is None or best.member != member:
        return ()
    return (Member(model=best, score=score_of(best, view, score)),)


def stranger(task: TaskName, view: SystemView, score: AbstractScore, member: str) -> Member | None:
    """The task's published model when it has another backbone, so that it can be no parent; else None."""
    best = view.best(task)
    if best is None or best.member == member:
        return None
    return Member(model=best, score=score_of(best, view, score))


def others_of(task: TaskName, view: SystemView, member: str) -> tuple[Model, ...]:
    """All other models of the system that have the same backbone and are not private, roots first."""
    return tuple(
        m
        for m in view.published()
        if m.task != task and m.member == member and not (m.task and view.tasks[m.task].private)
    )


def ranked(population: Sequence[Member], *, oldest_first: bool = False) -> tuple[Member, ...]:
    """By score, best first; of equals the one that came last is first, or the one that came first."""
    arrivals = population if oldest_first else population[::-1]
    return tuple(sorted(arrivals, key=lambda member: -member.score))


def sample_parent(
    population: Sequence[Member],
    others: Sequence[Model],
    selections: Mapping[ModelId, int],
    rng: Random,
    conflicts: Mapping[ModelId, float] = NO_CONFLICTS,
) -> Model:
    """A parent as in µ2Net+ (Gesmundo, 2022), Algorithm 1, lines 6 to 16.

    Candidates are the active population by descending score, then all other models in random
    order; each is taken with probability 0.5^(number of times it was selected for the task). If
    none is, any of them is, uniformly.

    Args:
        population: Models of the active task.
        others: All other models of the system, roots included.
        selections: How often each was the parent of a child for the task, ever.
        rng: Of this child alone.
        conflicts: Of others with the task; those that have one come by it, least first, at the places where
            the random order has such. Not in the paper; none by default.
    """
    shuffled = list(others)
    rng.shuffle(shuffled)
    known = iter(sorted((m for m in others if m.id in conflicts), key=lambda m: conflicts[m.id]))
    shuffled = [next(known) if model.id in conflicts else model for model in shuffled]
    candidates = [*(member.model for member in ranked(population)), *shuffled]
    return _half_life(candidates, selections, rng) or rng.choice(candidates)


def sample_by_score(
    population: Sequence[Member],
    others: Sequence[Model],
    selections: Mapping[ModelId, int],
    rng: Random,
) -> Model:
    """A parent as in muNet (Gesmundo & Dean, 2022a), §2.2, Eq. 1.

    The active population is visited by descending score, each model taken with probability
    0.5^#offsprings(m). If none is, any of the population or of the others is, uniformly: the paper
    leaves this case open, the authors' notebook decides it so.

    Args:
        population: Models of the active task; of equals the one that came first is visited first.
        others, selections, rng: As of `sample_parent`.
    """
    own = [member.model for member in ranked(population, oldest_first=True)]
    return _half_life(own, selections, rng) or rng.choice([*own, *others])


def _half_life(candidates: Sequence[Model], selections: Mapping[ModelId, int], rng: Random) -> Model | None:
    """The first candidate that its number of selections lets pass."""
    for candidate in candidates:
        if 0.5 ** selections.get(candidate.id, 0) > rng.random():
            return candidate
    return None
