"""What a word names in a system (task, tag, commit, beginning of an id), and what is known of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from rich.console import RenderableType

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.ids import ComponentId, ModelId, TaskName
from taskgrove.domain.records import AddRoot, Component, FinishChild, Model, Publish
from taskgrove.experiment.history import commit_number
from taskgrove.experiment.usual import usual_options
from taskgrove.reports.analyses.bindings import METHOD
from taskgrove.reports.words.explain import explain
from taskgrove.reports.words.provenance import (
    Ancestor,
    CommitDescription,
    ComponentDescription,
    TaskDescription,
    describe_component,
)
from taskgrove.reports.words.show import ModelDescription, describe_model
from taskgrove.store.index.answers import Identity
from taskgrove.store.index.index import Index
from taskgrove.store.state import State
from taskgrove.store.store import Store

_ID = re.compile(r"[0-9a-f]{4,64}")
_MOST_ANCESTORS = 20


class Described(Protocol):
    """An answer for people and for programs."""

    def as_json(self) -> dict[str, object]:
        """Plain values."""

    def as_rich(self) -> RenderableType:
        """For the terminal."""


def describe(text: str, store: Store, state: State, index: Index) -> Described:
    """What is known of what a person names.

    Args:
        text: A task; else a tag, `HEAD`, a commit's number, each with `~N` if wished; else at least four
            digits of the id of a model, a component or another blob.
        store: At the head of its log.
        state: At the commit that is looked at.
        index: Of the store.

    Raises:
        UnknownNameError: Nothing is called so, nor begins so.
        BadValueError: Several ids begin so, or the task has no model yet.
    """
    if text in state.view.tasks or text in state.retired:
        return _task(TaskName(text), store, state, index)
    number = _number(text, state)
    if number is not None:
        return _commit(number, store, state)
    found = _identity(text, state, index)
    match found.kind:
        case "model":
            return _model(_read_model(store, ModelId(found.id), found.introduced), state, index)
        case "component":
            return _component(ComponentId(found.id), store, state, index)
        case "blob":
            return _commit(found.introduced, store, state)


def _number(text: str, state: State) -> int | None:
    """The commit that the text means; None when it is none and might be an id."""
    try:
        return commit_number(text, state)
    except (BadValueError, UnknownNameError):
        if "~" in text or (text.isdecimal() and not _ID.fullmatch(text)):
            raise
        return None


def _identity(text: str, state: State, index: Index) -> Identity:
    number = state.view.number
    found = index.find(text, number) if _ID.fullmatch(text) else ()
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{one.kind} {one.id[:12]}" for one in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise BadValueError(f"{text!r} begins the ids of {listed}{more}; give more of its digits.")
    named = UnknownNameError.of(
        "task, tag, commit, model or component", text, (*state.view.tasks, *state.retired, *state.tags)
    )
    if not _ID.fullmatch(text):
        raise named
    near = ", ".join(f"{one.kind} {one.id[:12]}" for one in index.near(text, number))
    raise UnknownNameError(f"{named} The nearest ids are {near}.")


def _commit(number: int, store: Store, state: State) -> CommitDescription:
    tags = tuple(name for name, tagged in state.tags.items() if tagged == number)
    return CommitDescription(commit=next(store.history(number, number + 1)), tags=tags)


def _task(task: TaskName, store: Store, state: State, index: Index) -> TaskDescription:
    model, iterations = state.view.bests.get(task), index.iterations(task, state.view.number)
    if model is None and task not in state.retired:
        raise BadValueError(f"Task {task!r} has no model yet; run `taskgrove grow` first.")
    told = None
    if model is not None and state.view.models[model].agent == METHOD:
        told = explain(task, store.history(0, state.view.number + 1), usual_options(METHOD))
    return TaskDescription(
        task=task,
        model=None if model is None else _model(state.view.models[model], state, index),
        retired=task in state.retired,
        iterations=iterations,
        notes=index.notes(task, state.view.number),
        explanation=told,
    )


def _model(model: Model, state: State, index: Index) -> ModelDescription:
    return describe_model(
        model,
        state.view,
        ancestors=[(relative.task, relative.model) for relative in index.ancestry(model.id)],
        introduced=index.introduced(model.id),
        evaluations=state.evaluations,
    )


def _component(identity: ComponentId, store: Store, state: State, index: Index) -> ComponentDescription:
    at = state.view.number
    contributor = index.contributor(identity, at)
    model = _read_model(store, contributor.model, contributor.number)
    component = next(c for c in model.components if c.id == identity)
    ancestors = []
    for older in _trained_from(component, model, store, index):
        brought = index.contributor(older.id)
        ancestors.append(Ancestor(component=older.id, task=brought.task, number=brought.number))
        if len(ancestors) == _MOST_ANCESTORS:
            break
    return describe_component(component, contributor, ancestors, index.users(identity, at))


def _trained_from(component: Component, model: Model, store: Store, index: Index) -> Iterator[Component]:
    """The component's ancestors, nearest first: of each the model that brought it has a parent."""
    while model.parent is not None:
        parent = _read_model(store, model.parent, index.introduced(model.parent))
        older = parent.component(component.slot)
        if older is None or older.id == component.id or not _goes_on(component, older):
            return
        yield older
        brought = index.contributor(older.id)
        model = _read_model(store, brought.model, brought.number)
        component = next(c for c in model.components if c.id == older.id)


def _goes_on(component: Component, older: Component) -> bool:
    """Whether it can have been trained from the other; a fresh head or adapter forgets the cycles."""
    same = (component.kind, component.num_params) == (older.kind, older.num_params)
    return same and all(component.cycles.get(task, 0) >= count for task, count in older.cycles.items())


def _read_model(store: Store, identity: ModelId, number: int) -> Model:
    """A model out of the commit that brought it."""
    match next(store.history(number, number + 1)).operation:
        case AddRoot(model=model):
            return model
        case FinishChild(model=model) if model is not None:
            return model
        case Publish(models=models):
            return next(model for model in models if model.id == identity)
        case other:
            raise AssertionError(f"commit {number} brings no model but is a {type(other).__name__}")
