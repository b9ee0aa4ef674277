"""Runs of µ2Net+ on the tiny backbone with the fake trainer: what the tests of the coordinator repeat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import ParamSpec, TypeVar, final

from taskgrove.agents.methods.mu2net_plus import Mu2NetPlus, Mu2NetPlusOptions
from taskgrove.coordinator.base import AbstractExecutor, Event, Observe, Stage, Work
from taskgrove.coordinator.executors.inline import InlineExecutor
from taskgrove.coordinator.loop import Coordinator, Run
from taskgrove.domain.ids import CommitId, TaskName
from taskgrove.domain.jobs import EvaluateJob, Outcome, TrainJob
from taskgrove.domain.records import Operation, StartExperiment
from taskgrove.domain.view import SystemView
from taskgrove.scoring.quality import QualityScore
from taskgrove.store.base import AbstractBackend
from taskgrove.store.store import Store
from taskgrove.testing.layouts import TINY, tiny_equipment
from taskgrove.trainer.fake import FakeTrainer

P = ParamSpec("P")
R = TypeVar("R")
Fails = Callable[[TrainJob], bool]
A, B = TaskName("a"), TaskName("b")
GENERATIONS, CHILDREN = 2, 2
PER_ITERATION = GENERATIONS * CHILDREN


class Interrupted(BaseException):
    """Like KeyboardInterrupt: nobody may handle it."""


def run_of(
    iterations: int = 1,
    tasks: Sequence[TaskName] = (A, B),
    *,
    name: str = "tiny",
    digest: str = "d",
    spec: str = "{}",
    seed: int = 0,
    children: int = CHILDREN,
) -> Run:
    """A run of all tasks by one agent, scored by quality."""
    options = Mu2NetPlusOptions(generations=GENERATIONS, children=children)
    agent = Mu2NetPlus(equipment=tiny_equipment(QualityScore()), options=options)
    start = StartExperiment(
        experiment=name, digest=digest, spec=spec, iterations=iterations, tasks=tuple(tasks)
    )
    return Run(start=start, seed=seed, agents=dict.fromkeys(tasks, agent), threads=1)


def grow(
    store: Store,
    run: Run,
    *,
    executor: AbstractExecutor | None = None,
    observe: Observe = lambda _: None,
    fails: Fails = lambda _: False,
    before_training: Callable[[TrainJob], None] = lambda _: None,
) -> SystemView:
    """Carry out the run; `before_training` may raise."""
    trainer = FakeTrainer(store, TINY, fails)

    def train(job: TrainJob) -> Outcome:
        before_training(job)
        return trainer.train(job)

    work = Work(train=train, evaluate=trainer.evaluate)
    return Coordinator(store, run, executor or InlineExecutor(), work, observe).grow()


def log_of(backend: AbstractBackend, start: int = 0) -> list[tuple[int, CommitId, Operation]]:
    """What the log says from commit `start` on, times and hashes left out."""
    return [(c.number, c.id, c.operation) for c in Store.open(backend).history(start)]


def interrupt_at(call: int) -> Callable[[object], None]:
    """Something to call that raises at its call number `call`, counted from 0."""
    left = call

    def tick(_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Interrupted

    return tick


@final
class OutOfOrder(AbstractExecutor):
    """Ends the children of a generation in any order, without threads.

    Give its `observe` to the coordinator: the next child ends when one has been recorded.

    Args:
        children: Per generation.
        pick: Which of so many waiting children ends next; by default the last.
    """

    name = "out_of_order"
    summary = "children end in any order, for tests"

    def __init__(self, children: int, pick: Callable[[int], int] = lambda waiting: waiting - 1) -> None:
        self._children = children
        self._pick = pick
        self._waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()

        def end() -> None:
            future.set_result(fn(*args, **kwargs))

        if any(isinstance(arg, EvaluateJob) for arg in args):
            end()
            return future
        self._waiting.append(end)
        if len(self._waiting) == self._children:
            self._end_next()
        return future

    def shutdown(self) -> None:
        assert not self._waiting

    def observe(self, event: Event) -> None:
        """Ends the next child when one was recorded."""
        if event.stage is Stage.CHILD and self._waiting:
            self._end_next()

    def _end_next(self) -> None:
        self._waiting.pop(self._pick(len(self._waiting)))()
