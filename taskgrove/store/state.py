"""The live state as a pure fold of the log: what is live, which iterations are open."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import TypeVar

from taskgrove.domain.ids import AgentName, BlobId, ModelId, TaskName
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddRoot,
    AddTask,
    BeginIteration,
    BeginRound,
    Claim,
    Commit,
    Condemn,
    EndIteration,
    Evaluation,
    FinishChild,
    FinishProbe,
    Note,
    Publish,
    Retire,
    StartExperiment,
    Tag,
)
from taskgrove.domain.view import SystemView
from taskgrove.store.blobs import Unreferenced, referenced_by, unreferenced
from taskgrove.store.spent import Spent

K = TypeVar("K")
V = TypeVar("V")
_Arrival = AddRoot | AddTask | StartExperiment
_Step = BeginIteration | BeginRound | EndIteration | Publish | Retire
"""What may end the life of models."""
_Measured = AddEvaluation | AddMetrics | FinishProbe
_Administered = Claim | Tag | Condemn | Note


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIteration:
    """A task iteration that has begun and not ended.

    Attributes:
        begun: Number of the commit that began it.
        experiment, agent, iteration: Whose it is.
        parents: Models live when it began: its view, so its children may have them as parents even
            when another task's iteration has retired them since.
        children: (generation, child) of every child recorded so far.
    """

    begun: int
    experiment: str
    agent: AgentName
    iteration: int
    parents: frozenset[ModelId]
    children: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Who may grow a task.

    Attributes:
        token: Number of the commit that claimed it; commits that grow the task must carry it.
        agent, holder: As claimed.
    """

    token: int
    agent: AgentName
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that the log says at one commit.

    Attributes:
        view: What agents and readers see.
        head: sha256 of the newest record's bytes; "" for an empty log.
        evaluations: Accuracies of live models that agents never see, by model and split.
        open: The open iteration of each task that has one.
        spent: What each experiment has cost so far.
        spent_on: The same by task.
        unchanged: Iterations in a row that did not change the task's model.
        unmeasured: Experiment and number of each task's newest finished iteration, until the metrics
            after it are recorded.
        claims: Of the tasks that were ever claimed, the newest.
        tags: Number of the commit that each tag names.
        retired: Names of the tasks that have left the system; they stay taken.
        epoch: Number of times that garbage was condemned; new blobs get names of this epoch.
        epochs: Of the blobs in use whose names are of another epoch than 0.
    """

    view: SystemView = field(default_factory=SystemView)
    head: str = ""
    evaluations: Mapping[ModelId, Mapping[str, Evaluation]] = field(default_factory=dict)
    open: Mapping[TaskName, OpenIteration] = field(default_factory=dict)
    spent: Mapping[str, Spent] = field(default_factory=dict)
    spent_on: Mapping[str, Mapping[TaskName, Spent]] = field(default_factory=dict)
    unchanged: Mapping[TaskName, int] = field(default_factory=dict)
    unmeasured: Mapping[TaskName, tuple[str, int]] = field(default_factory=dict)
    claims: Mapping[TaskName, Claimed] = field(default_factory=dict)
    tags: Mapping[str, int] = field(default_factory=dict)
    retired: tuple[TaskName, ...] = ()
    epoch: int = 0
    epochs: Mapping[BlobId, int] = field(default_factory=dict)

    def epoch_of(self, blob: BlobId) -> int:
        """The epoch of the name under which a blob in use lies."""
        return self.epochs.get(blob, 0)


def apply(state: State, commit: Commit, head: str | None = None, idle: Unreferenced = unreferenced) -> State:
    """The state after a valid commit.

    Args:
        state: Before it.
        commit: As decoded.
        head: sha256 of its record's bytes; None leaves `head` as it was.
        idle: Tells which blobs are not in use.
    """
    operation, epochs = commit.operation, _epochs(state, commit, idle)
    head = state.head if head is None else head
    if isinstance(operation, FinishChild):  # most are, and each `replace` takes longer than all the rest
        return _finish(state, operation, commit, head, epochs)
    after = _operated(state, operation, commit.number)
    if isinstance(operation, _Step):
        gone = after.evaluations.keys() - after.view.models.keys()
        after = replace(after, evaluations=_without(after.evaluations, gone)) if gone else after
    return replace(after, view=replace(after.view, number=commit.number), head=head, epochs=epochs)


def _operated(state: State, operation: _Arrival | _Step | _Measured | _Administered, number: int) -> State:
    match operation:
        case BeginIteration():
            return _begin(state, operation, number)
        case BeginRound():
            return _begin_round(state, operation, number)
        case EndIteration():
            return _end(state, operation)
        case Publish():
            return replace(state, view=_published(state.view, operation))
        case AddEvaluation():
            return _evaluated(state, operation.evaluation)
        case AddMetrics():
            return replace(state, unmeasured=_without(state.unmeasured, {operation.task}))
        case Retire(task=task):
            return _retired(state, task)
        case AddRoot() | AddTask() | StartExperiment():
            return replace(state, view=_arrived(state.view, operation))
        case FinishProbe():
            return state
        case Claim() | Tag() | Condemn() | Note():
            return _administered(state, operation, number)


def _administered(state: State, operation: _Administered, number: int) -> State:
    match operation:
        case Claim(task=task):
            claimed = Claimed(token=number, agent=operation.agent, holder=operation.holder)
            return replace(state, claims=_with(state.claims, task, claimed))
        case Tag():
            return replace(state, tags=_with(state.tags, operation.name, operation.number))
        case Condemn():
            return replace(state, epoch=state.epoch + 1)
        case Note():
            return state


def _epochs(state: State, commit: Commit, idle: Unreferenced) -> Mapping[BlobId, int]:
    """Where the blobs are that do not lie under their first name."""
    if isinstance(commit.operation, Condemn):
        gone = idle(state.view, frozenset(state.epochs))
        return _without(state.epochs, gone) if gone else state.epochs
    if not commit.epoch and not state.epochs:
        return state.epochs
    blobs = referenced_by(commit.operation)
    if not blobs or (not commit.epoch and state.epochs.keys().isdisjoint(blobs)):
        return state.epochs
    new = idle(state.view, blobs)
    return {**_without(state.epochs, new), **(dict.fromkeys(new, commit.epoch) if commit.epoch else {})}


def _arrived(view: SystemView, operation: _Arrival) -> SystemView:
    match operation:
        case AddRoot(model=model):
            return replace(view, models=_with(view.models, model.id, model), roots=(*view.roots, model.id))
        case AddTask(task=task):
            return replace(view, tasks=_with(view.tasks, task.name, task))
        case StartExperiment():
            return replace(view, experiments=_with(view.experiments, operation.experiment, operation))


def _published(view: SystemView, publish: Publish) -> SystemView:
    bests = {model.task: model.id for model in publish.models if model.task is not None}
    replaced = {view.bests[task] for task in bests if task in view.bests}
    models = {**_without(view.models, replaced), **{model.id: model for model in publish.models}}
    return replace(
        view, models=models, bests={**view.bests, **bests}, selections=_forget(view.selections, replaced)
    )


def _retired(state: State, task: TaskName) -> State:
    view = _close(state.view, task, keep=None)
    view = replace(
        view,
        tasks=_without(view.tasks, {task}),
        bests=_without(view.bests, {task}),
        selections=_without(view.selections, {task}),
    )
    return replace(
        state,
        view=view,
        open=_without(state.open, {task}),
        claims=_without(state.claims, {task}),
        unmeasured=_without(state.unmeasured, {task}),
        unchanged=_without(state.unchanged, {task}),
        retired=(*state.retired, task),
    )


def _evaluated(state: State, evaluation: Evaluation) -> State:
    splits = _with(state.evaluations.get(evaluation.model, {}), evaluation.split, evaluation)
    return replace(state, evaluations=_with(state.evaluations, evaluation.model, splits))


def _begin(state: State, begin: BeginIteration, number: int) -> State:
    view = _close(state.view, begin.task, keep=state.view.bests.get(begin.task))
    opened = OpenIteration(
        begun=number,
        experiment=begin.experiment,
        agent=begin.agent,
        iteration=begin.iteration,
        parents=frozenset(view.models),
    )
    return replace(state, view=view, open=_with(state.open, begin.task, opened))


def _begin_round(state: State, begun: BeginRound, number: int) -> State:
    """All tasks are closed before the first begins, so that they have the same parents."""
    view = state.view
    for task in begun.iterations:
        view = _close(view, task, keep=view.bests.get(task))
    state = replace(state, view=view)
    for task, iteration in begun.iterations.items():
        one = BeginIteration(
            experiment=begun.experiment, agent=begun.agents[task], task=task, iteration=iteration
        )
        state = _begin(state, one, number)
    return state


def _finish(
    state: State, child: FinishChild, commit: Commit, head: str, epochs: Mapping[BlobId, int]
) -> State:
    view, opened, task = state.view, state.open[child.task], child.task
    selections, models, populations = view.selections, view.models, view.populations
    if child.parent in models:
        counts = selections.get(task, {})
        counts = _with(counts, child.parent, counts.get(child.parent, 0) + 1)
        selections = _with(selections, task, counts)
    if child.model is not None:
        models = _with(models, child.model.id, child.model)
        populations = _with(populations, task, (*populations.get(task, ()), child.model.id))
    spent_on = state.spent_on.get(child.experiment, {})
    own = spent_on.get(task, Spent()).plus(child, {})
    spent = state.spent.get(child.experiment, Spent()).plus(child, commit.meters)
    opened = replace(opened, children=(*opened.children, (child.generation, child.child)))
    return replace(
        state,
        view=replace(
            view, number=commit.number, selections=selections, models=models, populations=populations
        ),
        head=head,
        open=_with(state.open, task, opened),
        spent=_with(state.spent, child.experiment, spent),
        spent_on=_with(state.spent_on, child.experiment, _with(spent_on, task, own)),
        epochs=epochs,
    )


def _end(state: State, end: EndIteration) -> State:
    view, task = _close(state.view, end.task, keep=end.best), end.task
    if end.best is not None:
        view = replace(view, bests=_with(view.bests, task, end.best))
    done = view.progress.get(end.experiment, {})
    done = _with(done, task, done.get(task, 0) + 1)
    view = replace(
        view,
        iterations=_with(view.iterations, task, end.iteration + 1),
        progress=_with(view.progress, end.experiment, done),
    )
    same = end.best == state.view.bests.get(task)
    return replace(
        state,
        view=view,
        open=_without(state.open, {task}),
        unchanged=_with(state.unchanged, task, state.unchanged.get(task, 0) + 1 if same else 0),
        unmeasured=_with(state.unmeasured, task, (end.experiment, end.iteration)),
    )


def _close(view: SystemView, task: TaskName, keep: ModelId | None) -> SystemView:
    """Retire the task's population and its best, except `keep`."""
    retired = {*view.populations.get(task, ()), *_maybe(view.bests.get(task))} - {*_maybe(keep)}
    if task not in view.populations and not retired:
        return view
    return replace(
        view,
        models=_without(view.models, retired),
        populations=_without(view.populations, {task}),
        selections=_forget(view.selections, retired),
    )


def _forget(
    selections: Mapping[TaskName, Mapping[ModelId, int]], retired: Set[ModelId]
) -> dict[TaskName, Mapping[ModelId, int]]:
    kept = {t: c if retired.isdisjoint(c) else _without(c, retired) for t, c in selections.items()}
    return {task: counts for task, counts in kept.items() if counts}


def _maybe(model: ModelId | None) -> tuple[ModelId, ...]:
    return () if model is None else (model,)


def _with(mapping: Mapping[K, V], key: K, value: V) -> dict[K, V]:
    return {**mapping, key: value}


def _without(mapping: Mapping[K, V], keys: Set[K]) -> dict[K, V]:
    return {key: value for key, value in mapping.items() if key not in keys}
