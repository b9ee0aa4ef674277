"""What a commit must satisfy at the head of the log; the rules of several agents live here."""

from __future__ import annotations

import re

from taskgrove.domain.errors import (
    BadValueError,
    ClaimLostError,
    CommitRefusedError,
    DuplicateNameError,
    UnknownNameError,
)
from taskgrove.domain.ids import AgentName, ModelId, TaskName
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
    Model,
    Note,
    Publish,
    Retire,
    StartExperiment,
    Tag,
    published_by,
)
from taskgrove.store.blobs import Unreferenced, unreferenced
from taskgrove.store.identity import fast_identity_of
from taskgrove.store.state import OpenIteration, State

Growth = BeginIteration | FinishChild | FinishProbe | EndIteration | Publish
"""What only the holder of a task's claim may do."""
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")


def validate(state: State, commit: Commit, idle: Unreferenced = unreferenced) -> None:
    """Refuse a commit that contradicts itself or the state; its `number` and `previous` are not looked at.

    Args:
        state: Before it.
        commit: As decoded.
        idle: Tells which blobs are not in use.

    Raises:
        What `validate_models` and `validate_at` raise.
    """
    validate_models(commit)
    validate_at(state, commit, idle)


def validate_models(commit: Commit) -> None:
    """Refuse models that do not carry the hash of their fields; takes long and needs no state.

    Raises:
        CommitRefusedError: There is such a model.
    """
    for model in published_by(commit):
        _require(
            model.id == fast_identity_of(model),
            f"Model {model.id[:12]!r} does not carry the hash of its fields; fill the id with `identified`, "
            "with values of the declared types (0.0 where a float is asked for).",
        )


def validate_at(state: State, commit: Commit, idle: Unreferenced) -> None:
    """Refuse a commit that contradicts the state.

    Raises:
        CommitRefusedError: The operation contradicts what the log says.
        ClaimLostError: Another has claimed the task.
        DuplicateNameError: A task's name or a tag is taken.
        UnknownNameError: A task or an experiment does not exist.
        BadValueError: A tag that is not a name.
    """
    _require(
        commit.epoch == state.epoch,
        f"The commit's blobs have names of epoch {commit.epoch}, but garbage was collected and the epoch is "
        f"{state.epoch}; put them again.",
    )
    operation = commit.operation
    match operation:
        case BeginIteration() | FinishChild() | FinishProbe() | EndIteration() | Publish():
            fence(state, commit)
            _growth(state, operation)
        case BeginRound():
            _begin_round(state, operation)
        case AddRoot(model=model):
            _root(state, model)
        case AddTask(task=task):
            _task(state, task.name)
        case StartExperiment():
            _start(state, operation)
        case AddEvaluation(evaluation=evaluation):
            _evaluation(state, evaluation)
        case AddMetrics():
            _metrics(state, operation)
        case Claim(task=name) | Retire(task=name):
            state.view.task(name)
        case Note(task=about):
            if about is not None and about not in state.retired:
                state.view.task(about)
        case Tag():
            _tag(state, operation)
        case Condemn():
            _condemn(state, operation, idle)


def _growth(state: State, operation: Growth) -> None:
    match operation:
        case BeginIteration():
            _begin(state, operation)
        case FinishChild():
            _child(state, operation)
        case FinishProbe():
            _probe(state, operation)
        case EndIteration():
            _end(state, operation)
        case Publish():
            _publish(state, operation)


def fence(state: State, commit: Commit) -> None:
    """Refuse growth by a writer whose claim is not the newest, even of what has been recorded already.

    Raises:
        ClaimLostError: Another has claimed the task.
    """
    if not isinstance(commit.operation, Growth):
        return
    task, claim = commit.operation.task, commit.claim
    claimed = state.claims.get(task)
    if claim == (None if claimed is None else claimed.token):
        return
    if claimed is None:
        raise ClaimLostError(f"Task {task!r} is not claimed, so commit {claim} is no claim of it.")
    raise ClaimLostError(
        f"Task {task!r} belongs to {claimed.holder} since commit {claimed.token}, and this writer has "
        f"{'no claim' if claim is None else f'the claim of commit {claim}'}: it was started again elsewhere, "
        "or took so long that it was thought dead. Nothing that it published is lost; let the other go on."
    )


def _task(state: State, name: TaskName) -> None:
    if name in state.view.tasks or name in state.retired:
        what = "There was a task" if name in state.retired else "There is a task"
        raise DuplicateNameError(f"{what} named {name!r} already, and names stay taken; choose another name.")


def _tag(state: State, tag: Tag) -> None:
    if not _TAG.fullmatch(tag.name) or tag.name == "HEAD":
        raise BadValueError(
            f"{tag.name!r} cannot be a tag: use up to 100 ASCII letters, digits and `_.-`, not starting with "
            "a digit, and not HEAD."
        )
    if tag.name in state.tags:
        raise DuplicateNameError(
            f"Tag {tag.name!r} names commit {state.tags[tag.name]} for ever; choose another name."
        )
    _require(
        -1 < tag.number <= state.view.number,
        f"There is no commit {tag.number} to tag: the log has commits 0 to {state.view.number}.",
    )


def _condemn(state: State, condemn: Condemn, idle: Unreferenced) -> None:
    _require(
        condemn.seen == state.view.number,
        f"Garbage was sought at commit {condemn.seen}, but the log is at {state.view.number}: look again.",
    )
    dead = frozenset(blob for blob, _ in condemn.blobs)
    live = dead - idle(state.view, dead)
    for blob, epoch in condemn.blobs:
        _require(
            epoch <= state.epoch and not (blob in live and epoch == state.epoch_of(blob)),
            f"Blob {blob} of epoch {epoch} is in use or yet to come, so it is no garbage.",
        )


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise CommitRefusedError(otherwise)


def _new(state: State, model: Model) -> None:
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
        start.iterations >= before.iterations and {*before.tasks} - {*state.retired} <= {*start.tasks},
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


def _begin_round(state: State, begun: BeginRound) -> None:
    _require(
        len(begun.iterations) > 0 and set(begun.agents) == set(begun.iterations),
        f"A round of tasks {sorted(begun.iterations)} with agents for {sorted(begun.agents)}: there must be "
        "one agent for each of at least one task.",
    )
    for task, iteration in begun.iterations.items():
        agent, opened = begun.agents[task], state.open.get(task)
        _begin(
            state, BeginIteration(experiment=begun.experiment, agent=agent, task=task, iteration=iteration)
        )
        _require(
            opened is None or (opened.experiment, opened.iteration) != (begun.experiment, iteration),
            f"The round with iteration {iteration} of task {task!r} has been begun already; go on with it.",
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


def _probe(state: State, probe: FinishProbe) -> None:
    opened = _opened(state, probe.task, (probe.experiment, probe.agent, probe.iteration))
    state.view.task(probe.other)
    for identity, task in zip(probe.models, (probe.task, probe.other), strict=True):
        model = state.view.models.get(identity)
        _require(
            identity in opened.parents if model is None else model.task == task,
            f"Model {identity[:12]!r} was compared as one of task {task!r}, but it is no model of it that is "
            "live or was when the iteration began.",
        )


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


def _publish(state: State, publish: Publish) -> None:
    _opened(state, publish.task, (publish.experiment, publish.agent, publish.iteration))
    tasks = [model.task for model in publish.models]
    _require(
        len(set(tasks)) == len(tasks) > 0 and set(tasks) == set(publish.replaces),
        f"Models of tasks {tasks} are published to replace those of {sorted(publish.replaces)}: there must "
        "be one model per task, and for each the one it replaces.",
    )
    accepted = state.view.populations.get(publish.task, ())
    for model in publish.models:
        if model.id not in accepted:
            _new(state, model)
        _require(model.task is not None, f"Model {model.id[:12]} belongs to no task, so it replaces none.")
    for task, replaced in publish.replaces.items():
        state.view.task(task)
        present = state.view.bests.get(task)
        _require(
            replaced == present,
            f"The model of task {task!r} is {present!r} and no longer {replaced!r}: another agent has "
            "published one since, so look at the newest view and begin again.",
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
