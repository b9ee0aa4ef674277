"""The loop of a growing system: view, ask, train, judge, record, tell; then publish.

Every step that matters is a commit. A run that is killed is started again with the same
arguments: it finds its experiment, its open task iteration and its recorded children in the log,
tells the agent again what had been told, and goes on; only the child in training is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, replace
from typing import Any

from taskgrove.agents.base import AbstractAgent, Assignment, Verdict
from taskgrove.coordinator.base import AbstractExecutor, Observe, Work
from taskgrove.coordinator.metered import Metered, Readings, metered
from taskgrove.coordinator.metrics import TEST, metrics
from taskgrove.coordinator.narrator import Narrator
from taskgrove.coordinator.schedule import sequential
from taskgrove.domain.errors import CommitRefusedError
from taskgrove.domain.ids import CommitId, TaskName
from taskgrove.domain.jobs import Completed, EvaluateJob, JobFailed, Outcome, TrainJob, TrainResult
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    BeginIteration,
    EndIteration,
    FinishChild,
    Operation,
    StartExperiment,
)
from taskgrove.domain.seeds import derive
from taskgrove.domain.view import SystemView
from taskgrove.store.store import Store

Recorded = Mapping[tuple[int, int], FinishChild]
"""Children of an open iteration that are in the log, by generation and child."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An experiment ready to be carried out.

    Attributes:
        start: Recorded in the log; finds the run again after an interruption.
        seed: Of the experiment.
        agents: The agent of each task.
        threads: CPU threads of evaluations, which are in float32, as predictions are.
    """

    start: StartExperiment
    seed: int
    agents: Mapping[TaskName, AbstractAgent[Any]]
    threads: int


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
        self._executor = executor
        self._work = work
        self._narrator = Narrator(observe)

    def grow(self) -> SystemView:
        """Carry out what is left of the run; returns the system at its end.

        Raises:
            CommitRefusedError: Another process works on the same tasks of the same store.
        """
        asked = self._run.start
        view = self._store.refresh()
        recorded = view.experiments.get(asked.experiment)
        if recorded is None or not _covers(recorded, asked):
            start = asked if recorded is None else _merged(recorded, asked)
            self._commit(start, "start", start.digest, start.spec, start.iterations, *start.tasks)
            view = self._store.view()
        finished = view.progress.get(asked.experiment, {})
        order = list(sequential(asked.tasks, asked.iterations, finished))
        self._narrator.incumbents({task: view.models[best] for task, best in view.bests.items()})
        self._narrator.total = sum(self._run.agents[task].total_children() for _, task in order)
        for task in asked.tasks:
            self._assess(task)
        for iteration, task in order:
            # Another process may be carrying out the same run, and be faster.
            progress = self._store.refresh().progress.get(asked.experiment, {})
            if progress.get(task, 0) <= iteration:
                self._iterate(task)
                self._assess(task)
        return self._store.view()

    def _iterate(self, task: TaskName) -> None:
        agent = self._run.agents[task]
        view, recorded = self._begin(task, agent)
        iteration, begun = view.iterations.get(task, 0), view.number
        state = agent.init(view, Assignment(seed=self._run.seed, task=task, iteration=iteration))
        while not agent.finished(state):
            asked = state
            for done in self._outcomes(agent.ask(asked, view), recorded):
                self._record(agent.judge(asked, done.completed, view), done, begun)
                state = agent.tell(state, (done.completed,), view)
        proposal = agent.conclude(state, view)
        end = EndIteration(
            experiment=self._run.start.experiment,
            agent=agent.agent_name,
            task=task,
            iteration=iteration,
            best=proposal.best,
            score=proposal.score,
        )
        self._commit(end, "end", task, iteration, begun)
        self._narrator.ended(task, iteration, self._store.view().best(task))

    def _begin(self, task: TaskName, agent: AbstractAgent[Any]) -> tuple[SystemView, Recorded]:
        """Take up the task's open iteration if it is ours, else begin one."""
        view = self._store.refresh()
        begin = BeginIteration(
            experiment=self._run.start.experiment,
            agent=agent.agent_name,
            task=task,
            iteration=view.iterations.get(task, 0),
        )
        number = self._open_iteration(begin)
        recorded: dict[tuple[int, int], FinishChild] = {}
        if number is None:
            number = self._commit(begin, "begin", task, begin.iteration, view.number)
        else:
            for commit in self._store.history(number + 1):
                operation = commit.operation
                if isinstance(operation, FinishChild) and operation.task == task:
                    recorded[operation.generation, operation.child] = operation
        self._narrator.begun(task, begin.iteration, len(recorded))
        return self._store.view(number), recorded

    def _open_iteration(self, begin: BeginIteration) -> int | None:
        """The commit at which this very iteration was begun, if it has not ended."""
        found = self._store.state.open.get(begin.task)
        if found is None:
            return None
        ours = (found.experiment, found.agent, found.iteration)
        return found.begun if ours == (begin.experiment, begin.agent, begin.iteration) else None

    def _outcomes(self, jobs: tuple[TrainJob, ...], recorded: Recorded) -> Iterator[Metered]:
        """Outcomes of the jobs: first those in the log, then the others as their training ends."""
        running: dict[Future[tuple[Outcome, Readings]], TrainJob] = {}
        for job in jobs:
            if (job.generation, job.child) in recorded:
                yield Metered(_from_log(job, recorded), None)
        for job in jobs:
            if (job.generation, job.child) in recorded:
                continue
            future = self._executor.submit(metered, "train", self._work.meters, self._work.train, job)
            if future.done():
                yield _from_future(job, future)
            else:
                running[future] = job
        for future in as_completed(running):
            yield _from_future(running[future], future)

    def _record(self, verdict: Verdict, done: Metered, begun: int) -> None:
        job, outcome = done.completed.job, done.completed.outcome
        if done.meters is not None:
            operation = FinishChild(
                experiment=self._run.start.experiment,
                agent=job.agent,
                task=job.task,
                iteration=job.iteration,
                generation=job.generation,
                child=job.child,
                seed=job.seed,
                parent=job.parent,
                mutations=job.mutations,
                score=verdict.score,
                model=verdict.model,
                result=outcome if isinstance(outcome, TrainResult) else None,
                failure=outcome if isinstance(outcome, JobFailed) else None,
            )
            self._commit(
                operation,
                "child",
                job.task,
                job.iteration,
                job.generation,
                job.child,
                begun,
                meters=done.meters,
            )
        accepted = verdict.model is not None
        self._narrator.child(
            done.completed, score=verdict.score, accepted=accepted, recovered=done.meters is None
        )

    def _assess(self, task: TaskName) -> None:
        """Record what the last task iteration has made of the task's model and of the system."""
        self._evaluate(task)
        self._measure(task)

    def _evaluate(self, task: TaskName) -> None:
        """Test the task's model if it has not been; the number is never part of a view."""
        view = self._store.view()
        model = view.best(task)
        if model is None or TEST in self._store.state.evaluations.get(model.id, {}):
            return
        job = EvaluateJob(model=model.id, split=TEST, threads=self._run.threads)
        future = self._executor.submit(metered, "evaluate", self._work.meters, self._work.evaluate, job)
        evaluation, meters = future.result()
        self._commit(AddEvaluation(evaluation=evaluation), "evaluate", task, model.id, meters=meters)
        self._narrator.evaluated(evaluation, view.iterations.get(task, 0) - 1)

    def _measure(self, task: TaskName) -> None:
        """Record what the system is worth after our task iteration, unless that has been done."""
        state, name = self._store.state, self._run.start.experiment
        experiment, iteration = state.unmeasured.get(task, (None, 0))
        if experiment == name:
            values = metrics(state, name)
            operation = AddMetrics(experiment=name, task=task, iteration=iteration, values=values)
            self._commit(operation, "metrics", task, iteration)

    def _commit(self, operation: Operation, *position: str | int, meters: Readings | None = None) -> int:
        """Commit under an id derived from the position, so that a repeated run writes the same log."""
        identity = CommitId(f"{derive(self._run.start.experiment, *position):016x}")
        return self._store.commit(operation, id=identity, meters=meters).number


def _covers(recorded: StartExperiment, start: StartExperiment) -> bool:
    """Whether what is asked for is no more than what has been recorded."""
    more = start.iterations > recorded.iterations or not set(start.tasks) <= set(recorded.tasks)
    return recorded.digest == start.digest and not more


def _merged(recorded: StartExperiment, start: StartExperiment) -> StartExperiment:
    """The experiment grown by what is asked for; what has been asked for before stays."""
    tasks = tuple(dict.fromkeys((*recorded.tasks, *start.tasks)))
    return replace(start, tasks=tasks, iterations=max(recorded.iterations, start.iterations))


def _from_log(job: TrainJob, recorded: Recorded) -> Completed:
    """The recorded outcome of a job that is asked for again.

    Raises:
        CommitRefusedError: The record is of another job: the code or the data of the agent changed.
    """
    record = recorded[job.generation, job.child]
    if (record.seed, record.parent, record.mutations) != (job.seed, job.parent, job.mutations):
        raise CommitRefusedError(
            f"Child {job.generation}.{job.child} of {job.task} in the log is not the one that agent "
            f"{job.agent} asks for now; another version of Taskgrove probably recorded it. Finish this "
            "task iteration with that version, or start an experiment of another name."
        )
    outcome = record.result if record.result is not None else record.failure
    assert outcome is not None
    return Completed(job=job, outcome=outcome)


def _from_future(job: TrainJob, future: Future[tuple[Outcome, Readings]]) -> Metered:
    outcome, meters = future.result()
    return Metered(Completed(job=job, outcome=outcome), meters)
