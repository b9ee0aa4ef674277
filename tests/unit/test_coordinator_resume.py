"""A run that is killed anywhere and started again writes what it would have written in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import pytest

from taskgrove.domain.ids import CommitId
from taskgrove.domain.jobs import TrainJob
from taskgrove.domain.records import AddEvaluation, AddMetrics, Condemn, Operation
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.collect import collect
from taskgrove.testing.faults import Fault, FaultyBackend, Killed
from taskgrove.testing.layouts import tiny_store
from taskgrove.testing.runs import CHILDREN, GENERATIONS, Interrupted, grow, interrupt_at, log_of, run_of

ITERATIONS = 2
PER_ITERATION = GENERATIONS * CHILDREN
NUM_CHILDREN = ITERATIONS * 2 * PER_ITERATION
NUM_COMMITS = 1 + ITERATIONS * 2 * (PER_ITERATION + 3)
"""Without evaluations, of which there are fewer than iterations."""


@cache
def uninterrupted() -> list[tuple[int, CommitId, Operation]]:
    backend = MemoryBackend()
    grow(tiny_store(backend), run_of(ITERATIONS))
    return log_of(backend)


def go_on(backend: MemoryBackend) -> None:
    """Start the run again and compare with what it writes in one go."""
    grow(Store.open(backend), run_of(ITERATIONS))
    assert log_of(backend) == uninterrupted()
    assert check(backend, deep=False).problems == ()


@pytest.mark.parametrize("child", range(NUM_CHILDREN))
def test_a_run_killed_in_a_childs_training_goes_on(child: int) -> None:
    backend = MemoryBackend()
    store = tiny_store(backend)
    with pytest.raises(Interrupted):
        grow(store, run_of(ITERATIONS), before_training=interrupt_at(child))
    go_on(backend)


def test_a_run_killed_in_every_childs_training_gets_to_its_end() -> None:
    backend = MemoryBackend()
    tiny_store(backend)
    for _ in range(NUM_CHILDREN):
        with pytest.raises(Interrupted):
            grow(Store.open(backend), run_of(ITERATIONS), before_training=interrupt_at(1))
        if len(log_of(backend)) > len(uninterrupted()) - 5:
            break
    go_on(backend)


@pytest.mark.parametrize("event", range(NUM_CHILDREN + 3 * ITERATIONS * 2 - 1))
def test_a_run_killed_between_two_steps_goes_on(event: int) -> None:
    backend = MemoryBackend()
    store = tiny_store(backend)
    with pytest.raises(Interrupted):
        grow(store, run_of(ITERATIONS), observe=interrupt_at(event))
    go_on(backend)


def dying_in_put_new(number: int, fault: Fault) -> Callable[[int, str], Fault | None]:
    """The process dies in its `put_new` number `number`; opening a store does some, every commit one."""
    left = number

    def plan(_: int, verb: str) -> Fault | None:
        nonlocal left
        left -= verb == "put_new"
        return fault if left < 0 else None

    return plan


@pytest.mark.parametrize("fault", [Fault.DEATH_BEFORE, Fault.DEATH_AFTER], ids=["before", "after"])
@pytest.mark.parametrize("commit", range(NUM_COMMITS))
def test_a_run_killed_while_it_commits_goes_on(commit: int, fault: Fault) -> None:
    backend = MemoryBackend()
    tiny_store(backend)
    store = Store.open(FaultyBackend(backend, lambda _, __: None))
    store.backend = FaultyBackend(backend, dying_in_put_new(commit, fault))
    with pytest.raises(Killed):
        grow(store, run_of(ITERATIONS))
    go_on(backend)


@pytest.mark.parametrize("tested", range(2))
def test_a_run_killed_while_it_tests_a_model_tests_it_when_it_goes_on(tested: int) -> None:
    backend = MemoryBackend()
    store = tiny_store(backend)
    with pytest.raises(Interrupted):
        grow(store, run_of(ITERATIONS), before_testing=interrupt_at(tested))
    go_on(backend)


def test_a_run_killed_between_a_test_and_its_metrics_measures_once_when_it_goes_on() -> None:
    backend = MemoryBackend()
    store = tiny_store(backend)
    with pytest.raises(Interrupted):
        grow(store, run_of(ITERATIONS), observe=interrupt_at(PER_ITERATION + 2))
    assert isinstance(log_of(backend)[-1][2], AddEvaluation)
    go_on(backend)
    measured = [operation for _, _, operation in log_of(backend) if isinstance(operation, AddMetrics)]
    assert len(measured) == ITERATIONS * 2


@pytest.mark.parametrize("child", [0, 1, 4, 9])
def test_recorded_failures_are_told_again(child: int) -> None:
    backends = [MemoryBackend(), MemoryBackend()]
    stores = [tiny_store(backend) for backend in backends]
    grow(stores[0], run_of(ITERATIONS), fails=lambda job: job.child == 0)
    with pytest.raises(Interrupted):
        grow(
            stores[1],
            run_of(ITERATIONS),
            fails=lambda job: job.child == 0,
            before_training=interrupt_at(child),
        )
    grow(Store.open(backends[1]), run_of(ITERATIONS), fails=lambda job: job.child == 0)
    assert log_of(backends[1]) == log_of(backends[0])


def test_children_whose_blobs_are_collected_before_their_commit_are_trained_again() -> None:
    """A collector without grace comes whenever a child has been trained, unless it came just before."""
    backend = MemoryBackend()
    store, collector = tiny_store(backend), Store.open(backend)
    trained: list[TrainJob] = []
    pause = 0

    def collected() -> Mapping[str, float]:
        nonlocal pause
        pause = pause - 1 if pause else 2 * (collect(collector, grace_s=0).num_condemned > 0)
        return {}

    grow(store, run_of(ITERATIONS), meters=collected, before_training=trained.append)
    assert store.state.epoch > 2
    assert len(trained) == NUM_CHILDREN + store.state.epoch
    grown = [operation for *_, operation in log_of(backend) if not isinstance(operation, Condemn)]
    assert grown == [operation for *_, operation in uninterrupted()]
    assert check(backend, deep=False).problems == ()
