"""Whole runs of µ2Net+ on the tiny backbone with the fake trainer, interrupted and out of order if wished."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from taskgrove.agents.base import AbstractAgent
from taskgrove.agents.methods.mu2net_plus import Mu2NetPlus, Mu2NetPlusOptions
from taskgrove.coordinator.base import AbstractExecutor, Observe, Work, process_meters
from taskgrove.coordinator.executors.inline import InlineExecutor
from taskgrove.coordinator.loop import Coordinator, Run
from taskgrove.coordinator.schedule import Schedule
from taskgrove.domain.ids import CommitId, TaskName
from taskgrove.domain.jobs import EvaluateJob, Outcome, TrainJob
from taskgrove.domain.records import Evaluation, Operation, StartExperiment
from taskgrove.domain.view import SystemView
from taskgrove.scoring.base import AbstractScore
from taskgrove.scoring.quality import QualityScore
from taskgrove.store.base import AbstractBackend
from taskgrove.store.store import Store
from taskgrove.testing.layouts import TINY, tiny_equipment
from taskgrove.trainer.fake import FakeTrainer

A, B = TaskName("a"), TaskName("b")
GENERATIONS, CHILDREN = 2, 2
SMALL = Mu2NetPlusOptions(generations=GENERATIONS, children=CHILDREN)


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
    score: AbstractScore | None = None,
    options: Mu2NetPlusOptions = SMALL,
    schedule: Schedule = Schedule.SEQUENTIAL,
    agent: AbstractAgent[Any] | None = None,
) -> Run:
    """A run of all tasks by one agent, µ2Net+ scored by quality unless something else is given."""
    agent = agent or Mu2NetPlus(equipment=tiny_equipment(score or QualityScore()), options=options)
    start = StartExperiment(
        experiment=name, digest=digest, spec=spec, iterations=iterations, tasks=tuple(tasks)
    )
    agents = dict.fromkeys(tasks, agent)
    return Run(start=start, seed=seed, agents=agents, threads=1, schedule=schedule)


def grow(
    store: Store,
    run: Run,
    *,
    executor: AbstractExecutor | None = None,
    observe: Observe = lambda _: None,
    fails: Callable[[TrainJob], bool] = lambda _: False,
    before_training: Callable[[TrainJob], None] = lambda _: None,
    before_testing: Callable[[EvaluateJob], None] = lambda _: None,
    meters: Callable[[], Mapping[str, float]] = process_meters,
) -> SystemView:
    """Carry out what is left of a run.

    Args:
        store: A tiny one; see `tiny_store`.
        run: What to do.
        executor: Inline by default.
        observe: Told of everything.
        fails: Which children diverge.
        before_training: Called with every job; may raise.
        before_testing: Called before every test; may raise.
        meters: Read before and after each job.
    """
    trainer = FakeTrainer(store, TINY, fails)

    def train(job: TrainJob) -> Outcome:
        before_training(job)
        return trainer.train(job)

    def evaluate(job: EvaluateJob) -> Evaluation:
        before_testing(job)
        return trainer.evaluate(job)

    work = Work(train=train, evaluate=evaluate, study=trainer.study, meters=meters)
    return Coordinator(store, run, executor or InlineExecutor(), work, observe).grow()


def interrupt_at(call: int) -> Callable[[object], None]:
    """Something to call that raises `Interrupted` from its call number `call` on, counted from 0."""
    left = call

    def tick(_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Interrupted

    return tick


def log_of(backend: AbstractBackend) -> list[tuple[int, CommitId, Operation]]:
    """What the log says; times and hashes are left out."""
    return [(c.number, c.id, c.operation) for c in Store.open(backend).history()]
