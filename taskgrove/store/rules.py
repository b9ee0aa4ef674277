"""What a commit must satisfy at the head of the log; the rules of several agents live here."""

from __future__ import annotations

from taskgrove.domain.errors import CommitRefusedError, DuplicateNameError, UnknownNameError
from taskgrove.domain.ids import AgentName, ModelId, TaskName
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddRoot,
    AddTask,
    BeginIteration,
    EndIteration,
    Evaluation,
    FinishChild,
    Model,
    Operation,
    StartExperiment,
    identified,
)
from taskgrove.store.state import OpenIteration, State


def validate(state: State, operation: Operation) -> None:
    """Refuse an operation that contradicts the state.

    Raises:
        CommitRefusedError: The operation contradicts what the log says.
        DuplicateNameError: A task's name is taken.
        UnknownNameError: A task or an experiment does not exist.
    """
    match operation:
        case AddRoot(model=model):
            _root(state, model)
        case AddTask(task=task):
            if task.name in state.view.tasks:
                raise DuplicateNameError(
                    f"There is a task named {task.name!r} already, and tasks stay for ever; "
                    "choose another name."
                )
        case StartExperiment():
            _start(state, operation)
        case BeginIteration():
            _begin(state, operation)
        case FinishChild():
            _child(state, operation)
        case EndIteration():
            _end(state, operation)
        case AddEvaluation(evaluation=evaluation):
            _evaluation(state, evaluation)
        case AddMetrics():
            _metrics(state, operation)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise CommitRefusedError(otherwise)


def _new(state: State, model: Model) -> None:
    _require(
        model.id == identified(model).id,
        f"Model {model.id[:12]!r} does not carry the hash of its fields; fill the id with `identified`, "
        "with values of the declared types (0.0 where a float is asked for).",
    )
    _require(model.id not in state.view.models, f"Model {model.id[:12]} is in the system already.")


def _root(state: State, model: Model) -> None:
    _require(model.task is None, f"A root model belongs to no task, but {model.id[:12]} says {model.task!r}.")
    _new(state, model)


def _start(state: State, start: StartExperiment) -> None:
    for task in start.tasks:
        state.view.task(task)
    before = state.view.experiments.get(start.experiment)
    if before is None:
        return
    _require(
        start.digest == before.digest,
        f"Experiment {start.experiment!r} was started with other settings (digest {before.digest[:12]}, "
        f"now {start.digest[:12]}); continue it with the same ones, or choose another name.",
    )
    _require(
        start.iterations >= before.iterations and set(before.tasks) <= set(start.tasks),
        f"Experiment {start.experiment!r} has {before.iterations} iterations over {list(before.tasks)}; "
        f"it can grow, but {start.iterations} iterations over {list(start.tasks)} are less.",
    )


def _begin(state: State, begin: BeginIteration) -> None:
    _known(state, begin.experiment)
    state.view.task(begin.task)
    due = state.view.iterations.get(begin.task, 0)
    _require(
        begin.iteration == due,
        f"The next iteration of task {begin.task!r} is {due}, not {begin.iteration}; another agent has "
        "probably ended one, so look at the newest view and begin again.",
    )


def _opened(state: State, task: TaskName, position: tuple[str, AgentName, int]) -> OpenIteration:
    opened = state.open.get(task)
    if opened is None:
        raise CommitRefusedError(
            f"No iteration of task {task!r} is open, so {position} has nothing to go on."
        )
    found = (opened.experiment, opened.agent, opened.iteration)
    _require(
        found == position,
        f"The open iteration of task {task!r} is {found}, not {position}: it has been taken over.",
    )
    return opened


def _child(state: State, child: FinishChild) -> None:
    opened = _opened(state, child.task, (child.experiment, child.agent, child.iteration))
    position = (child.generation, child.child)
    _require(
        position not in opened.children,
        f"Child {position} of iteration {child.iteration} of task {child.task!r} is recorded already.",
    )
    _require(
        child.parent in state.view.models or child.parent in opened.parents,
        f"The parent {child.parent[:12]!r} of child {position} of task {child.task!r} is not a live model.",
    )
    _require(
        (child.result is None) != (child.failure is None),
        f"Child {position} of task {child.task!r} must have either a result or a failure.",
    )
    if child.model is not None:
        _accepted(state, child, child.model)


def _accepted(state: State, child: FinishChild, model: Model) -> None:
    _new(state, model)
    _require(
        (model.task, model.parent) == (child.task, child.parent),
        f"Model {model.id[:12]} is a child of {model.parent!r} for task {model.task!r}, but is published as "
        f"one of {child.parent!r} for {child.task!r}.",
    )
    _require(
        child.result is not None and child.score is not None,
        f"Model {model.id[:12]} is published without a training result or a score.",
    )


def _end(state: State, end: EndIteration) -> None:
    _opened(state, end.task, (end.experiment, end.agent, end.iteration))
    best = state.view.bests.get(end.task)
    population = state.view.populations.get(end.task, ())
    allowed: set[ModelId | None] = {*population, best}
    if best is None and population:
        allowed.discard(None)
    _require(
        end.best in allowed,
        f"Iteration {end.iteration} of task {end.task!r} cannot end with {end.best!r} as its model: that is "
        f"neither the present one ({best!r}) nor among the {len(population)} accepted children.",
    )


def _evaluation(state: State, evaluation: Evaluation) -> None:
    state.view.task(evaluation.task)
    _require(evaluation.split != "", f"An evaluation of model {evaluation.model[:12]} names no split.")
    _require(
        evaluation.model in state.view.models,
        f"Model {evaluation.model[:12]!r} is not live, so its accuracy on {evaluation.split!r} cannot be "
        "recorded; it has probably been replaced since.",
    )


def _metrics(state: State, metrics: AddMetrics) -> None:
    _known(state, metrics.experiment)
    state.view.task(metrics.task)
    due = state.unmeasured.get(metrics.task)
    _require(
        due == (metrics.experiment, metrics.iteration),
        f"Metrics after iteration {metrics.iteration} of task {metrics.task!r} by experiment "
        f"{metrics.experiment!r} are not due: {_what_is(due)}. They are recorded once, after the iteration "
        "has ended and before the next one ends.",
    )


def _what_is(due: tuple[str, int] | None) -> str:
    return "none are" if due is None else f"those after iteration {due[1]} by {due[0]!r} are"


def _known(state: State, experiment: str) -> None:
    if experiment not in state.view.experiments:
        raise UnknownNameError.of("experiment", experiment, state.view.experiments)
