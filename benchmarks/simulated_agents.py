"""Agents with stores of their own in simulated time: the real coordinator and search, a fake trainer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import product
from math import exp
from random import Random
from statistics import fmean
from types import SimpleNamespace
from unittest.mock import patch

from benchmarks.simulated_clock import Clock
from benchmarks.simulated_store import COMMIT, EVALUATE, TRAIN, WAIT, Ledger, SlowBackend, Storage
from taskgrove.agents.methods.mu2net_plus import Mu2NetPlusOptions
from taskgrove.coordinator import driver, iteration
from taskgrove.coordinator.base import Work
from taskgrove.coordinator.executors.inline import InlineExecutor
from taskgrove.coordinator.loop import Coordinator, Run
from taskgrove.coordinator.schedule import Schedule
from taskgrove.domain.errors import EnvironmentFailure
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import EvaluateJob, Outcome, TrainJob
from taskgrove.domain.records import Evaluation
from taskgrove.store import store as stores
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.state import State
from taskgrove.store.store import Store
from taskgrove.testing.layouts import TINY, tiny_store
from taskgrove.testing.runs import run_of
from taskgrove.trainer.fake import FakeTrainer

_MEASURED = 100
"""Tasks of the largest system whose metrics are computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long children take: lognormal, with a mean of its own for every task.

    Attributes:
        log_means: Of the logarithm of a child's seconds, by task; further tasks begin again with the first.
        log_sd: Of a child's, around its task's.
        test_s: A test of a model.
        scale: Of all; 1 as recorded.
        seed: Of what is drawn.
    """

    log_means: tuple[float, ...]
    log_sd: float
    test_s: float
    scale: float = 1.0
    seed: int = 0

    @property
    def typical_s(self) -> float:
        """The geometric mean of all tasks' children."""
        return self.scale * exp(fmean(self.log_means))

    def train_s(self, task: int, iteration: int, generation: int, child: int) -> float:
        """Of a child; the same whoever trains it and when."""
        drawn = Random(f"{self.seed} {task} {iteration} {generation} {child}")
        mean = self.log_means[task % len(self.log_means)]
        return self.scale * drawn.lognormvariate(mean, self.log_sd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is simulated.

    Attributes:
        tasks: How many.
        alone: One agent grows all of them in turn; otherwise each has an agent of its own.
        schedule: Of the agents.
        iterations, generations, children: Of a task, of an iteration, of a generation.
        storage: Where the system is.
        durations: Of children.
        arrivals_per_s: Of agents, which are started one after the other.
    """

    tasks: int
    alone: bool
    schedule: Schedule
    iterations: int
    generations: int
    children: int
    storage: Storage
    durations: Durations
    arrivals_per_s: float = 10.0

    def train_s(self, task: int, iteration: int) -> float:
        """Of all children of a task iteration."""
        places = product(range(self.generations), range(self.children))
        return sum(self.durations.train_s(task, iteration, *place) for place in places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a simulation gave.

    Attributes:
        seconds: Simulated, of the agent that took longest, from its start to its end.
        whole_s: From the start of the first agent to the end of the last.
        commits: By the agents.
        spent: Their seconds, added, by what they were spent on.
        lost: Attempts to commit in which another was faster.
        restarts: Of agents that had given up after too many attempts.
        state: Of the system at the end.
    """

    seconds: float
    whole_s: float
    commits: int
    spent: Counter[str]
    lost: int
    restarts: int
    state: State


def simulate(setting: Setting) -> Course:
    """Let agents grow a system of tiny models in simulated time."""
    clock, names = Clock(), [TaskName(f"task_{number:04d}") for number in range(setting.tasks)]
    run = _run(setting, names)
    store = tiny_store(MemoryBackend(), names)
    store.commit(run.start)
    ledger = Ledger(store, setting.storage, clock)
    before = ledger.num_commits
    groups = [tuple(names)] if setting.alone else [(name,) for name in names]
    agents = [
        _Agent(ledger, setting, replace(run, mine=mine, holder=mine[0]), number / setting.arrivals_per_s)
        for number, mine in enumerate(groups)
    ]
    with ledger.installed(), _sleeping(ledger), _measured(setting):
        whole_s = clock.run([agent.live for agent in agents])
    return Course(
        seconds=max(sum(agent.spent.values()) for agent in agents),
        whole_s=whole_s,
        commits=ledger.num_commits - before,
        spent=sum((agent.spent for agent in agents), Counter()),
        lost=sum(agent.lost for agent in agents),
        restarts=sum(agent.restarts for agent in agents),
        state=Store.open(ledger.objects).state,
    )


class _Agent:
    """A program that grows its tasks until they are done, started again whenever it gives up."""

    def __init__(self, ledger: Ledger, setting: Setting, run: Run, starts_s: float) -> None:
        self._ledger = ledger
        self._starts_s = starts_s
        self._setting = setting
        self._run = run
        self._numbers = {task: number for number, task in enumerate(run.start.tasks)}
        self.spent: Counter[str] = Counter()
        self.lost = 0
        self.restarts = 0

    def live(self) -> None:
        """All that it does."""
        self._ledger.clock.sleep(self._starts_s)
        self._ledger.enter(self.spent)
        while True:
            backend = SlowBackend(self._ledger)
            try:
                self._grow(Store(backend))
                return
            except EnvironmentFailure:
                self.restarts += 1
            finally:
                self.lost += backend.lost

    def _grow(self, store: Store) -> None:
        trainer, durations = FakeTrainer(store, TINY), self._setting.durations

        def train(job: TrainJob) -> Outcome:
            place = self._numbers[job.task], job.iteration, job.generation, job.child
            self._ledger.spend(TRAIN, durations.train_s(*place))
            return trainer.train(job)

        def evaluate(job: EvaluateJob) -> Evaluation:
            self._ledger.spend(EVALUATE, durations.scale * durations.test_s)
            return trainer.evaluate(job)

        store.refresh()
        Coordinator(
            store, self._run, InlineExecutor(), Work(train=train, evaluate=evaluate, study=trainer.study)
        ).grow()


def _run(setting: Setting, names: Sequence[TaskName]) -> Run:
    return run_of(
        setting.iterations,
        names,
        name="simulated",
        options=Mu2NetPlusOptions(generations=setting.generations, children=setting.children),
        schedule=Schedule.SEQUENTIAL if setting.alone else setting.schedule,
    )


@contextmanager
def _measured(setting: Setting) -> Iterator[None]:
    """Leave metrics out of large systems: they are of all tasks, after every iteration of each of them."""
    with ExitStack() as stack:
        if setting.tasks > _MEASURED:
            stack.enter_context(patch.object(iteration, "metrics", lambda *_: {}))
        yield


@contextmanager
def _sleeping(ledger: Ledger) -> Iterator[None]:
    """Let the pauses of the driver and of the store be simulated ones."""
    with ExitStack() as stack:
        for module, what in ((driver, WAIT), (stores, COMMIT)):
            pause = SimpleNamespace(sleep=lambda seconds, what=what: ledger.spend(what, seconds))
            stack.enter_context(patch.object(module, "time", pause))
        yield
