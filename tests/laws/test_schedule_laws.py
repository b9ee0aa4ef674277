"""Law 3 for many agents: in rounds neither workers, processes, order nor crashes decide what grows (002)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any, ParamSpec, TypeVar, final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgrove.coordinator.base import AbstractExecutor
from taskgrove.coordinator.executors.inline import InlineExecutor
from taskgrove.coordinator.loop import Run
from taskgrove.coordinator.schedule import Schedule
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import TrainJob
from taskgrove.domain.records import (
    AddEvaluation,
    BeginIteration,
    BeginRound,
    EndIteration,
    Evaluation,
    FinishChild,
)
from taskgrove.domain.view import SystemView
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.faults import Fault, FaultyBackend, Killed, at
from taskgrove.testing.layouts import tiny_store
from taskgrove.testing.runs import Interrupted, grow, interrupt_at, run_of
from tests.laws.examples import examples

P = ParamSpec("P")
R = TypeVar("R")
TASKS = tuple(TaskName(name) for name in "abc")
ROUNDS = 3


@final
class Shuffled(AbstractExecutor):
    """Ends what was submitted in a random order, one call at a time, in its own thread.

    Args:
        seed: Of the order.
        backlog: Calls to have at once.
    """

    name = "shuffled"
    summary = "calls end in a random order, for tests"

    def __init__(self, seed: int, backlog: int) -> None:
        self.backlog = backlog
        self._random = Random(seed)
        self._calls: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()

        def call() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        with self._changed:
            self._calls.append(call)
            self._changed.notify()
        return future

    def shutdown(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._calls or self._closed)
                if not self._calls:
                    return
                call = self._calls.pop(self._random.randrange(len(self._calls)))
            time.sleep(0)  # let the coordinator submit what it has
            call()


def rounds(schedule: Schedule = Schedule.ROUNDS, iterations: int = ROUNDS, seed: int = 0) -> Run:
    return run_of(iterations, TASKS, schedule=schedule, seed=seed)


def store_of(backend: MemoryBackend | None = None) -> Store:
    return tiny_store(backend or MemoryBackend(), TASKS)


def straight(seed: int = 0) -> Store:
    store = store_of()
    grow(store, rounds(seed=seed))
    return store


def children(store: Store) -> dict[tuple[str, int, int, int], FinishChild]:
    done = (c.operation for c in store.history() if isinstance(c.operation, FinishChild))
    return {(d.task, d.iteration, d.generation, d.child): d for d in done}


def measured(store: Store) -> dict[str, Evaluation]:
    found = (c.operation for c in store.history() if isinstance(c.operation, AddEvaluation))
    return {operation.evaluation.model: operation.evaluation for operation in found}


def system(view: SystemView) -> Mapping[str, Any]:
    """What the order of commits does not decide."""
    return {
        "models": dict(view.models),
        "bests": dict(view.bests),
        "selections": {task: dict(counts) for task, counts in view.selections.items()},
        "iterations": dict(view.iterations),
    }


def same(one: Store, other: Store) -> None:
    assert children(one) == children(other)
    assert measured(one) == measured(other)
    assert system(one.view()) == system(other.view())
    assert check(one.backend, deep=False).problems == ()


@examples(5)
@given(order=st.integers(0, 2**32), seed=st.integers(0, 2**32), backlog=st.integers(1, 20))
def test_a_round_is_the_same_whatever_the_executor(order: int, seed: int, backlog: int) -> None:
    store = store_of()
    with Shuffled(order, backlog) as executor:
        grow(store, rounds(seed=seed), executor=executor)
    same(store, straight(seed))


@pytest.mark.parametrize("parts", [(("a",), ("b", "c")), (("a",), ("b",), ("c",)), (("c", "b", "a"),)])
def test_agents_in_several_processes_grow_the_system_that_one_grows(
    parts: tuple[tuple[str, ...], ...],
) -> None:
    backend = MemoryBackend()
    store_of(backend)

    def agent(tasks: tuple[str, ...]) -> None:
        run = replace(rounds(), mine=tuple(map(TaskName, tasks)))
        grow(Store.open(backend), run)

    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(agent, parts))
    same(Store.open(backend), straight())


def test_all_agents_of_a_round_see_the_commit_at_the_barrier() -> None:
    store = straight()
    begun = [(c.number, c.operation) for c in store.history() if isinstance(c.operation, BeginRound)]
    assert [len(operation.iterations) for _, operation in begun] == [len(TASKS)] * ROUNDS
    assert not any(isinstance(c.operation, BeginIteration) for c in store.history())
    for number, operation in begun:
        live = store.state_at(number).view.models
        first = [c for c in children(store).values() if c.iteration == operation.iterations[c.task]]
        assert {child.parent in live for child in first if child.generation == 0} == {True}
    for (earlier, _), (later, _) in pairwise(begun):
        between = [c.operation for c in store.history(earlier, later)]
        assert sum(isinstance(operation, EndIteration) for operation in between) == len(TASKS)


def test_a_round_of_one_task_is_what_the_sequential_schedule_grows() -> None:
    stores = []
    for schedule in Schedule:
        store = tiny_store(MemoryBackend(), ["a"])
        grow(store, run_of(ROUNDS, TASKS[:1], schedule=schedule))
        stores.append(store)
    for other in stores[1:]:
        same(stores[0], other)


def test_rounds_differ_from_the_sequential_schedule_in_what_a_task_sees() -> None:
    one_by_one = store_of()
    grow(one_by_one, rounds(Schedule.SEQUENTIAL))
    assert children(one_by_one) != children(straight())


@pytest.mark.parametrize("child", [0, 1, 5, 11, 12, 17, 30])
def test_rounds_that_are_killed_go_on(child: int) -> None:
    backend = MemoryBackend()
    with pytest.raises(Interrupted):
        grow(store_of(backend), rounds(), before_training=interrupt_at(child))
    store = Store.open(backend)
    grow(store, rounds())
    same(store, straight())


def test_rounds_that_die_at_any_verb_go_on() -> None:
    for call in range(0, 4000, 37):
        backend = MemoryBackend()
        store_of(backend)
        faulty = FaultyBackend(backend, at(call, Fault.DEATH_AFTER))
        try:
            grow(Store.open(faulty), rounds(iterations=2))
        except Killed:
            store = Store.open(backend)
            grow(store, rounds())
            same(store, straight())
        else:
            assert call > 100
            break


def test_a_task_that_another_experiment_took_over_gets_a_round_of_its_own() -> None:
    backend = MemoryBackend()
    with pytest.raises(Interrupted):
        grow(store_of(backend), rounds(), before_training=interrupt_at(1))
    grow(Store.open(backend), run_of(1, TASKS[:1], name="another"))
    store = Store.open(backend)
    grow(store, rounds())
    assert store.view().progress["tiny"] == dict.fromkeys(TASKS, ROUNDS)
    assert check(backend, deep=False).ok


def test_tasks_that_come_later_catch_up_with_the_rounds() -> None:
    store = store_of()
    grow(store, run_of(2, TASKS[:2], schedule=Schedule.ROUNDS))
    grow(store, rounds())
    assert store.view().progress["tiny"] == dict.fromkeys(TASKS, ROUNDS)
    sizes = [len(c.operation.iterations) for c in store.history() if isinstance(c.operation, BeginRound)]
    assert sizes == [2, 2, 1, 1, 3]


def test_free_agents_do_not_wait_for_each_other() -> None:
    """The first task never ends its first child; the others get to their ends all the same."""
    store, stuck = store_of(), threading.Event()
    ended: list[TaskName] = []

    def slow(job: TrainJob) -> None:
        if job.task == "a" and not stuck.is_set():
            assert stuck.wait(60)

    def observe(event: Any) -> None:
        ended.append(event.task)
        if store.state.view.progress.get("tiny", {}).get(TASKS[1], 0) == ROUNDS:
            stuck.set()

    class Threads(AbstractExecutor):
        name, summary = "threads", "for tests"

        def __init__(self) -> None:
            self._pool = ThreadPoolExecutor(8)

        def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
            return self._pool.submit(fn, *args, **kwargs)

        def shutdown(self) -> None:
            self._pool.shutdown()

    with Threads() as executor:
        grow(store, rounds(Schedule.FREE), executor=executor, before_training=slow, observe=observe)
    assert store.view().progress["tiny"] == dict.fromkeys(TASKS, ROUNDS)
    begun = [c.operation.task for c in store.history() if isinstance(c.operation, BeginIteration)]
    assert begun.count(TASKS[0]) == ROUNDS
    assert begun[-1] == TASKS[0]
    assert check(store.backend, deep=False).ok


def test_what_a_free_agent_sees_is_the_newest() -> None:
    store = store_of()
    grow(store, rounds(Schedule.FREE), executor=InlineExecutor())
    for commit in store.history():
        if isinstance(commit.operation, BeginIteration):
            assert commit.operation.iteration == store.state_at(commit.number - 1).view.iterations.get(
                commit.operation.task, 0
            )
