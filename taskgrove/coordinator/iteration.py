"""One task iteration: an agent is asked for children, told what became of them, and concludes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, final

from taskgrove.agents.base import AbstractAgent, Assignment, Verdict
from taskgrove.coordinator.driver import Course, Done, Job
from taskgrove.coordinator.metered import Readings
from taskgrove.coordinator.metrics import TEST, metrics
from taskgrove.coordinator.narrator import Narrator
from taskgrove.coordinator.parts import in_parts, together
from taskgrove.coordinator.recorded import Recorded, recorded_since
from taskgrove.coordinator.studies import Studies
from taskgrove.coordinator.writer import Writer
from taskgrove.domain.errors import BlobsCollectedError, CommitRefusedError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import (
    Completed,
    EvaluateJob,
    JobFailed,
    TrainJob,
    TrainResult,
)
from taskgrove.domain.proposal import Proposal
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    BeginIteration,
    EndIteration,
    Evaluation,
    FinishChild,
    Publish,
)
from taskgrove.domain.view import SystemView

Judge = Callable[[Completed], Verdict]
Training = Generator[tuple[Job, ...], Done | None, list[Completed]]
"""Part of a course: has children trained and returns them in the order in which they ended."""


@final
class Iterations:
    """The courses of an experiment's tasks.

    Args:
        writer: Commits what happens.
        agents: The agent of each task.
        seed: Of the experiment.
        threads: CPU threads of evaluations.
        narrator: Told of everything.
    """

    def __init__(
        self,
        writer: Writer,
        agents: Mapping[TaskName, AbstractAgent[Any]],
        seed: int,
        threads: int,
        narrator: Narrator,
    ) -> None:
        self._writer = writer
        self._store = writer.store
        self._agents = agents
        self._seed = seed
        self._threads = threads
        self._narrator = narrator
        self._studies = Studies(writer)
        self._ended: Counter[TaskName] = Counter()
        """Children of each task's present iteration that have ended."""
        self._views: dict[int, SystemView] = {}
        """Of the newest commit at which iterations began; a round has one for all its tasks."""

    def children_left(self, task: TaskName) -> int:
        """Children that the task's present iteration will probably still train."""
        return max(0, self._agents[task].total_children() - self._ended[task])

    def is_open(self, task: TaskName) -> bool:
        """Whether the iteration that is due has been begun by this experiment, here or elsewhere."""
        return self._begun(task) is not None

    def iterate(self, task: TaskName) -> Course:
        """Carry out the iteration of a task that is due, or go on with it.

        Raises:
            CommitRefusedError: Another process works on the same task.
        """
        agent = self._agents[task]
        view, recorded = self._begin(task, agent)
        iteration, begun = view.iterations.get(task, 0), view.number
        state = agent.init(view, Assignment(seed=self._seed, task=task, iteration=iteration))
        while not agent.finished(state):
            if studies := agent.studies(state, view):
                found = yield from self._studies.make(studies, agent.agent_name, begun, recorded)
                state = agent.learn(state, found, view)
                continue
            jobs, judge = agent.ask(state, view), partial(_judged, agent, state, view)
            known = [_from_log(job, recorded) for job in jobs if _position(job) in recorded.children]
            for completed in known:
                self._tell(completed, judge(completed), recovered=True)
            fresh = [job for job in jobs if _position(job) not in recorded.children]
            trained = yield from self._train(fresh, judge, begun)
            state = agent.tell(state, (*known, *trained), view)
        proposal = agent.conclude(state, view)
        if proposal.others:
            self._publish(proposal, agent, iteration, begun)
        end = EndIteration(
            experiment=self._writer.experiment,
            agent=agent.agent_name,
            task=task,
            iteration=iteration,
            best=proposal.best,
            score=proposal.score,
        )
        self._writer.commit(end, "end", task, iteration, begun)
        best = self._store.view().best(task)
        self._narrator.ended(task, iteration, best, untrained=self.children_left(task))

    def assess(self, task: TaskName) -> Course:
        """Record what the last task iteration has made of the task's model and of the system."""
        state = self._store.state
        if any(t in self._agents and self._agents[t].changes_others for t in state.open):
            return  # taken up first, since it changes what is to be tested
        for changed in state.view.bests if self._agents[task].changes_others else (task,):
            yield from self._evaluate(changed)
        self._measure(task)

    def _begin(self, task: TaskName, agent: AbstractAgent[Any]) -> tuple[SystemView, Recorded]:
        """Take up the task's open iteration if it is ours, else begin one."""
        view = self._store.refresh()
        begin = BeginIteration(
            experiment=self._writer.experiment,
            agent=agent.agent_name,
            task=task,
            iteration=view.iterations.get(task, 0),
        )
        number = self._begun(task)
        recorded = Recorded()
        if number is None:
            number = self._writer.commit(begin, "begin", task, begin.iteration, view.number)
        else:
            recorded = recorded_since(self._store, task, number)
        self._ended[task] = len(recorded.children)
        self._narrator.begun(task, begin.iteration, len(recorded.children))
        return self._view_at(number), recorded

    def _begun(self, task: TaskName) -> int | None:
        """The commit at which the iteration that is due was begun, if it was and has not ended."""
        found = self._store.state.open.get(task)
        if found is None:
            return None
        due = self._store.state.view.iterations.get(task, 0)
        ours = (self._writer.experiment, self._agents[task].agent_name, due)
        return found.begun if (found.experiment, found.agent, found.iteration) == ours else None

    def _view_at(self, number: int) -> SystemView:
        if number not in self._views:
            self._views = {number: self._store.view(number)}
        return self._views[number]

    def _train(self, jobs: Sequence[TrainJob], judge: Judge, begun: int) -> Training:
        """Have children trained; each is judged and recorded as soon as it has ended."""
        wanted: tuple[Job, ...] = tuple(jobs)
        again: list[Job] = []
        trained: list[Completed] = []
        while len(trained) < len(jobs):
            done = yield wanted
            assert done is not None
            assert isinstance(done.job, TrainJob)
            assert isinstance(done.result, TrainResult | JobFailed)
            completed = Completed(job=done.job, outcome=done.result)
            verdict, wanted = judge(completed), ()
            try:
                self._record(completed, verdict, begun, done.meters)
            except BlobsCollectedError:  # by a collector with a short grace; the job gives the same blobs
                if done.job in again:
                    raise
                again.append(done.job)
                wanted = (done.job,)
                continue
            self._ended[done.job.task] += 1
            self._tell(completed, verdict, recovered=False)
            trained.append(completed)
        return trained

    def _publish(self, proposal: Proposal, agent: AbstractAgent[Any], iteration: int, begun: int) -> None:
        """Publish the iteration's model together with those of other tasks that share what it trained."""
        view, task = self._store.view(), proposal.task
        assert proposal.best is not None
        if view.bests.get(task) == proposal.best:  # before an interruption
            return
        models = (view.models[proposal.best], *proposal.others)
        replaces = {model.task: view.bests.get(model.task) for model in models if model.task is not None}
        operation = Publish(
            experiment=self._writer.experiment,
            agent=agent.agent_name,
            task=task,
            iteration=iteration,
            models=models,
            replaces={**replaces, **{m.task: m.parent for m in proposal.others if m.task is not None}},
        )
        self._writer.commit(operation, "publish", task, iteration, begun)
        self._narrator.incumbents({m.task: m for m in proposal.others if m.task is not None})

    def _record(self, completed: Completed, verdict: Verdict, begun: int, meters: Readings) -> None:
        job, outcome = completed.job, completed.outcome
        operation = FinishChild(
            experiment=self._writer.experiment,
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
        position = ("child", job.task, job.iteration, job.generation, job.child, begun)
        self._writer.commit(operation, *position, meters=meters)

    def _tell(self, completed: Completed, verdict: Verdict, *, recovered: bool) -> None:
        accepted = verdict.model is not None
        self._narrator.child(completed, score=verdict.score, accepted=accepted, recovered=recovered)

    def _evaluate(self, task: TaskName) -> Course:
        """Test the task's model if it has not been; the number is never part of a view."""
        view = self._store.view()
        model = view.best(task)
        if model is None or TEST in self._store.state.evaluations.get(model.id, {}):
            return
        job = EvaluateJob(model=model.id, split=TEST, threads=self._threads)
        wanted: tuple[Job, ...] = in_parts(job, view.task(task).sizes.get(TEST, 0))
        parts: list[Evaluation] = []
        meters: dict[str, float] = {}
        for _ in range(len(wanted)):
            done = yield wanted
            assert done is not None
            assert isinstance(done.result, Evaluation)
            parts, wanted = [*parts, done.result], ()
            meters |= {name: meters.get(name, 0.0) + more for name, more in done.meters.items()}
        found = together(parts)
        self._writer.commit(AddEvaluation(evaluation=found), "evaluate", task, model.id, meters=meters)
        self._narrator.evaluated(found, view.iterations.get(task, 0) - 1)

    def _measure(self, task: TaskName) -> None:
        """Record what the system is worth after our task iteration, unless that has been done."""
        state, name = self._store.state, self._writer.experiment
        experiment, iteration = state.unmeasured.get(task, (None, 0))
        if experiment == name:
            values = metrics(state, name)
            operation = AddMetrics(experiment=name, task=task, iteration=iteration, values=values)
            self._writer.commit(operation, "metrics", task, iteration)


def _position(job: TrainJob) -> tuple[int, int]:
    return job.generation, job.child


def _judged(agent: AbstractAgent[Any], asked: Any, view: SystemView, completed: Completed) -> Verdict:
    return agent.judge(asked, completed, view)


def _from_log(job: TrainJob, recorded: Recorded) -> Completed:
    """The recorded outcome of a job that is asked for again.

    Raises:
        CommitRefusedError: The record is of another job: the code or the data of the agent changed.
    """
    record = recorded.children[_position(job)]
    if (record.seed, record.parent, record.mutations) != (job.seed, job.parent, job.mutations):
        raise CommitRefusedError(
            f"Child {job.generation}.{job.child} of {job.task} in the log is not the one that agent "
            f"{job.agent} asks for now; another version of Taskgrove probably recorded it. Finish this "
            "task iteration with that version, or start an experiment of another name."
        )
    outcome = record.result if record.result is not None else record.failure
    assert outcome is not None
    return Completed(job=job, outcome=outcome)
