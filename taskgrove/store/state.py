"""The live state as a pure fold of the log: what is live, which iterations are open."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import TypeVar

from taskgrove.domain.ids import AgentName, ModelId, TaskName
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddRoot,
    AddTask,
    BeginIteration,
    Commit,
    EndIteration,
    Evaluation,
    FinishChild,
    StartExperiment,
)
from taskgrove.domain.view import SystemView
from taskgrove.store.spent import Spent

K = TypeVar("K")
V = TypeVar("V")


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
class State:
    """Everything that the log says at one commit.

    Attributes:
        view: What agents and readers see.
        head: sha256 of the newest record's bytes; "" for an empty log.
        evaluations: Accuracies that agents never see, by model and split.
        open: The open iteration of each task that has one.
        spent: What each experiment has cost so far.
        unmeasured: Experiment and number of each task's newest finished iteration, until the metrics
            after it are recorded.
    """

    view: SystemView = field(default_factory=SystemView)
    head: str = ""
    evaluations: Mapping[ModelId, Mapping[str, Evaluation]] = field(default_factory=dict)
    open: Mapping[TaskName, OpenIteration] = field(default_factory=dict)
    spent: Mapping[str, Spent] = field(default_factory=dict)
    unmeasured: Mapping[TaskName, tuple[str, int]] = field(default_factory=dict)


def apply(state: State, commit: Commit) -> State:
    """The state after a valid commit; `head` is left to who knows the record's bytes."""
    after = _operated(state, commit)
    return replace(after, view=replace(after.view, number=commit.number))


def _operated(state: State, commit: Commit) -> State:
    operation = commit.operation
    match operation:
        case BeginIteration():
            return _begin(state, operation, commit.number)
        case FinishChild():
            return _spend(_finish(state, operation), operation, commit.meters)
        case EndIteration():
            return _end(state, operation)
        case AddEvaluation():
            return _evaluated(state, operation.evaluation)
        case AddMetrics():
            return replace(state, unmeasured=_without(state.unmeasured, {operation.task}))
        case AddRoot() | AddTask() | StartExperiment():
            return replace(state, view=_arrived(state.view, operation))


def _arrived(view: SystemView, operation: AddRoot | AddTask | StartExperiment) -> SystemView:
    match operation:
        case AddRoot(model=model):
            return replace(view, models=_with(view.models, model.id, model), roots=(*view.roots, model.id))
        case AddTask(task=task):
            return replace(view, tasks=_with(view.tasks, task.name, task))
        case StartExperiment():
            return replace(view, experiments=_with(view.experiments, operation.experiment, operation))


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


def _finish(state: State, child: FinishChild) -> State:
    view, opened, task = state.view, state.open[child.task], child.task
    if child.parent in view.models:
        counts = view.selections.get(task, {})
        counts = _with(counts, child.parent, counts.get(child.parent, 0) + 1)
        view = replace(view, selections=_with(view.selections, task, counts))
    if child.model is not None:
        view = replace(
            view,
            models=_with(view.models, child.model.id, child.model),
            populations=_with(view.populations, task, (*view.populations.get(task, ()), child.model.id)),
        )
    opened = replace(opened, children=(*opened.children, (child.generation, child.child)))
    return replace(state, view=view, open=_with(state.open, task, opened))


def _spend(state: State, child: FinishChild, meters: Mapping[str, float]) -> State:
    spent = state.spent.get(child.experiment, Spent()).plus(child, meters)
    return replace(state, spent=_with(state.spent, child.experiment, spent))


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
    return replace(
        state,
        view=view,
        open=_without(state.open, {task}),
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
