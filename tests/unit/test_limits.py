"""Limits end an experiment between iterations, at the same place however often it was interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from taskgrove.coordinator.limits import Limits
from taskgrove.coordinator.loop import Run
from taskgrove.coordinator.schedule import Schedule
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import EndIteration
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.spent import Spent
from taskgrove.store.state import State
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.layouts import tiny_store
from taskgrove.testing.runs import CHILDREN, GENERATIONS, A, B, Interrupted, grow, interrupt_at, run_of

SAMPLES = 16 * GENERATIONS * CHILDREN
"""Training images of one iteration of the fake trainer."""


def limited(limits: Limits, schedule: Schedule, iterations: int = 4) -> Run:
    return replace(run_of(iterations, schedule=schedule), limits=limits)


def progress(store: Store) -> Mapping[TaskName, int]:
    return store.refresh().progress.get("tiny", {})


@pytest.mark.parametrize(
    ("schedule", "samples", "expected"),
    [
        (Schedule.SEQUENTIAL, 1, {A: 1}),
        (Schedule.SEQUENTIAL, 2 * SAMPLES, {A: 1, B: 1}),
        (Schedule.SEQUENTIAL, 2 * SAMPLES + 1, {A: 2, B: 1}),
        (Schedule.ROUNDS, 1, {A: 1, B: 1}),
        (Schedule.ROUNDS, 2 * SAMPLES, {A: 1, B: 1}),
        (Schedule.ROUNDS, 2 * SAMPLES + 1, {A: 2, B: 2}),
    ],
)
def test_an_experiment_ends_when_all_tasks_together_have_used_enough(
    schedule: Schedule, samples: int, expected: Mapping[TaskName, int]
) -> None:
    store = tiny_store(MemoryBackend())
    grow(store, limited(Limits(samples=samples), schedule))
    assert progress(store) == expected
    assert check(store.backend, deep=False).ok


def test_free_tasks_end_with_the_iterations_that_were_under_way() -> None:
    store = tiny_store(MemoryBackend())
    grow(store, limited(Limits(samples=3 * SAMPLES), Schedule.FREE))
    assert 3 * SAMPLES <= store.state.spent["tiny"].samples < 5 * SAMPLES


@pytest.mark.parametrize("schedule", Schedule)
def test_a_task_ends_when_it_has_used_enough_and_the_others_go_on(schedule: Schedule) -> None:
    store = tiny_store(MemoryBackend())
    grow(store, limited(Limits(task_samples=2 * SAMPLES), schedule, 3))
    assert progress(store) == {A: 2, B: 2}


def test_rounds_go_on_without_a_task_that_has_ended() -> None:
    store = tiny_store(MemoryBackend())
    grow(store, run_of(1, [A], schedule=Schedule.ROUNDS))
    grow(store, limited(Limits(task_samples=2 * SAMPLES), Schedule.ROUNDS, 5))
    assert progress(store) == {A: 2, B: 2}
    grow(store, limited(Limits(task_samples=3 * SAMPLES), Schedule.ROUNDS, 5))
    assert progress(store) == {A: 3, B: 3}


@pytest.mark.parametrize("schedule", Schedule)
def test_an_interrupted_run_ends_where_it_would_have_ended(schedule: Schedule) -> None:
    limits = Limits(samples=3 * SAMPLES)
    straight = tiny_store(MemoryBackend())
    grow(straight, limited(limits, schedule))
    backend = MemoryBackend()
    tiny_store(backend)
    for _ in range(3):
        with pytest.raises(Interrupted):
            grow(Store.open(backend), limited(limits, schedule), before_training=interrupt_at(3))
    store = Store.open(backend)
    grow(store, limited(limits, schedule))
    if schedule is not Schedule.FREE:  # whose order is no part of the experiment
        assert progress(store) == progress(straight)
        assert dict(store.view().bests) == dict(straight.view().bests)


def test_a_task_that_does_not_improve_ends_by_patience() -> None:
    store = tiny_store(MemoryBackend())
    grow(store, limited(Limits(patience=2), Schedule.FREE, 200))
    ends = [c.operation for c in store.history() if isinstance(c.operation, EndIteration)]
    for task in (A, B):
        bests = [end.best for end in ends if end.task == task]
        assert len(bests) < 200
        assert bests[-1] == bests[-2] == bests[-3]
        assert all(len({*bests[i : i + 3]}) > 1 for i in range(len(bests) - 3))


def test_time_ends_a_run_too() -> None:
    assert Limits(seconds=5).reached(State(), "e", TaskName("a"), 5.0)
    assert not Limits(seconds=5).reached(State(), "e", TaskName("a"), 4.9)
    assert not Limits().reached(State(), "e", TaskName("a"), 1e9)


def test_floating_point_operations_are_counted_too() -> None:
    spent = Spent(flops=10)
    state = State(spent={"e": spent}, spent_on={"e": {A: spent}})
    assert Limits(flops=10).reached(state, "e", B, 0.0)
    assert not Limits(flops=11).reached(state, "e", B, 0.0)
    assert Limits(task_flops=10).reached(state, "e", A, 0.0)
    assert not Limits(task_flops=10).reached(state, "e", B, 0.0)


def test_what_tasks_have_spent_adds_up_to_the_experiment() -> None:
    store = tiny_store(MemoryBackend())
    grow(store, run_of(2))
    state = store.state
    own = state.spent_on["tiny"]
    assert sum(spent.samples for spent in own.values()) == state.spent["tiny"].samples == 4 * SAMPLES
    assert sum(spent.children for spent in own.values()) == state.spent["tiny"].children


@pytest.mark.parametrize("name", ["samples", "flops", "task_samples", "task_flops", "seconds", "patience"])
def test_a_limit_must_be_positive(name: str) -> None:
    with pytest.raises(BadValueError, match=f"limits.{name} must be positive, got 0"):
        Limits(**{name: 0})
