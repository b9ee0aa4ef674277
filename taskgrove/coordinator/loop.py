"""The loop of a growing system: view, ask, train, judge, record, tell; then publish.

Every step that matters is a commit. A run that is killed is started again with the same
arguments: it finds its experiment, its open task iteration and its recorded children in the log,
tells the agent again what had been told, and goes on; only the children in training are lost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from taskgrove.agents.base import AbstractAgent
from taskgrove.coordinator.base import AbstractExecutor, Observe, Work
from taskgrove.coordinator.driver import Course, Driver, Parked
from taskgrove.coordinator.iteration import Iterations
from taskgrove.coordinator.limits import Limits
from taskgrove.coordinator.narrator import Narrator
from taskgrove.coordinator.schedule import Schedule, sequential
from taskgrove.coordinator.writer import Writer
from taskgrove.domain.errors import CommitRefusedError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import BeginRound, StartExperiment
from taskgrove.domain.view import SystemView
from taskgrove.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An experiment ready to be carried out.

    Attributes:
        start: Recorded in the log; finds the run again after an interruption.
        seed: Of the experiment.
        agents: The agent of each task.
        threads: CPU threads of evaluations, which are in float32, as predictions are.
        schedule: How the iterations follow each other.
        mine: The tasks that this process grows, when others grow the others; all by default.
        holder: Who claims its tasks, so that an agent that was thought dead is refused from then on. Without
            one, only tasks that somebody has claimed are claimed again.
        limits: When it ends before its iterations do.
    """

    start: StartExperiment
    seed: int
    agents: Mapping[TaskName, AbstractAgent[Any]]
    threads: int
    schedule: Schedule = Schedule.SEQUENTIAL
    mine: tuple[TaskName, ...] | None = None
    holder: str = ""
    limits: Limits = field(default_factory=Limits)


class Coordinator:
    """Carries out one run on one store.

    Args:
        store: Read and written.
        run: What to do.
        executor: Where jobs run.
        work: What jobs are.
        observe: Told of everything that happens.
    """

    def __init__(
        self,
        store: Store,
        run: Run,
        executor: AbstractExecutor,
        work: Work,
        observe: Observe = lambda _: None,
    ) -> None:
        self._store = store
        self._run = run
        self._began = time.monotonic()
        self._tasks = run.start.tasks if run.mine is None else run.mine
        self._narrator = Narrator(observe)
        self._writer = Writer(store, run.start.experiment)
        self._iterations = Iterations(self._writer, run.agents, run.seed, run.threads, self._narrator)
        self._driver = Driver(executor, work, self._iterations.children_left, store.refresh)

    def grow(self) -> SystemView:
        """Carry out what is left of the run; returns the system at its end.

        Raises:
            CommitRefusedError: Another process works on the same tasks of the same store.
            ClaimLostError: Another process has claimed one of them since.
        """
        view = self._start()
        self._claim()
        order = list(sequential(self._tasks, self._run.start.iterations, self._finished()))
        self._narrator.incumbents({task: view.models[best] for task, best in view.bests.items()})
        self._narrator.total = sum(self._run.agents[task].total_children() for _, task in order)
        self._driver.drive({task: self._iterations.assess(task) for task in self._tasks})
        if self._run.schedule is Schedule.SEQUENTIAL:
            for iteration, task in order:
                self._driver.drive({task: self._course(task, iteration)})
        else:
            self._driver.drive({task: self._line(task) for task in self._tasks})
        return self._store.view()

    def _start(self) -> SystemView:
        """Record the experiment, or that more of it is asked for."""
        asked = self._run.start
        view = self._store.refresh()
        recorded = view.experiments.get(asked.experiment)
        if recorded is not None and _covers(recorded, asked):
            return view
        start = asked if recorded is None else _merged(recorded, asked)
        self._writer.commit(start, "start", start.digest, start.spec, start.iterations, *start.tasks)
        return self._store.view()

    def _claim(self) -> None:
        """Fence off whoever had our tasks before."""
        for task in self._tasks:
            if self._run.holder or task in self._store.state.claims:
                holder = self._run.holder or "somebody without a name"
                self._writer.claim(task, self._run.agents[task].agent_name, holder)

    def _ends(self, task: TaskName) -> bool:
        """Whether a limit is reached; an iteration that has been begun is always carried out."""
        if self._iterations.is_open(task):
            return False
        elapsed_s = time.monotonic() - self._began
        return self._run.limits.reached(self._store.state, self._run.start.experiment, task, elapsed_s)

    def _finished(self) -> Mapping[TaskName, int]:
        """Iterations of this experiment that have ended, by task."""
        return self._store.state.view.progress.get(self._run.start.experiment, {})

    def _course(self, task: TaskName, iteration: int) -> Course:
        """One iteration of a task with its test."""
        self._store.refresh()
        # Another process may be carrying out the same run, and be faster.
        if self._finished().get(task, 0) <= iteration and not self._ends(task):
            yield from self._iterations.iterate(task)
            yield from self._iterations.assess(task)

    def _line(self, task: TaskName) -> Course:
        """All iterations of a task, one after the other."""
        for iteration in range(self._run.start.iterations):
            if self._finished().get(task, 0) > iteration:
                continue
            if self._run.schedule is Schedule.ROUNDS:
                yield from self._barrier(task, iteration)
            if self._ends(task):
                return
            yield from self._course(task, iteration)

    def _barrier(self, task: TaskName, iteration: int) -> Course:
        """Wait until all tasks of the experiment are here, then begin the round, if nobody has."""
        tasks, experiment = self._run.start.tasks, self._run.start.experiment
        while any(self._finished().get(t, 0) < iteration and not self._ends(t) for t in tasks):
            yield Parked()
        while not self._iterations.is_open(task) and not self._ends(task):
            view = self._store.state.view
            due = [t for t in tasks if self._finished().get(t, 0) == iteration]
            here = [t for t in due if not self._iterations.is_open(t) and not self._ends(t)]
            operation = BeginRound(
                experiment=experiment,
                agents={t: self._run.agents[t].agent_name for t in here},
                iterations={t: view.iterations.get(t, 0) for t in here},
            )
            try:
                self._writer.commit(operation, "round", iteration, view.number, *here)
            except CommitRefusedError:
                if self._store.refresh().number == view.number:
                    raise


def _covers(recorded: StartExperiment, start: StartExperiment) -> bool:
    """Whether what is asked for is no more than what has been recorded."""
    more = start.iterations > recorded.iterations or not set(start.tasks) <= set(recorded.tasks)
    return recorded.digest == start.digest and not more


def _merged(recorded: StartExperiment, start: StartExperiment) -> StartExperiment:
    """The experiment grown by what is asked for; what has been asked for before stays."""
    tasks = tuple(dict.fromkeys((*recorded.tasks, *start.tasks)))
    return replace(start, tasks=tasks, iterations=max(recorded.iterations, start.iterations))
