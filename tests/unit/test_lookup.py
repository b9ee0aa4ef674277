"""What a word names in a system, and what is told of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import FinishChild, Model, identified
from taskgrove.experiment.history import note, retire, tag
from taskgrove.experiment.lookup import describe
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.index.index import Index
from taskgrove.store.store import Store
from taskgrove.testing.scripts import (
    Step,
    accept,
    add_root,
    add_task,
    begin,
    component,
    end,
    evaluate,
    play,
    start,
)

A = TaskName("a")


def cloned(parent: Model, task: str, child: int, cycles: dict[str, int]) -> tuple[Step, Model]:
    """A child that has trained a copy of its parent's body, too."""
    step, model = accept(parent, task, 0, child)
    assert isinstance(step.operation, FinishChild)
    data = (f"body {child}".ljust(len(b"body of root")).encode(), b"momentum of a body")
    body = replace(component("body", *data), cycles={TaskName(t): n for t, n in cycles.items()})
    model = identified(replace(model, components=(body, model.components[1])))
    return Step(replace(step.operation, model=model), (*step.blobs, *data)), model


@pytest.fixture
def system() -> Iterator[tuple[Store, Index, list[Model]]]:
    """A root and two generations for task a, of which the second has become its model."""
    store = Store.create(MemoryBackend())
    first, root = add_root("root")
    one, child = cloned(root, "a", 0, {"a": 4})
    two, grandchild = cloned(child, "a", 1, {"a": 8})
    steps = [first, add_task("a"), add_task("empty"), start(["a"]), begin("a"), one, two]
    play(store, [*steps, end("a", grandchild.id), evaluate(grandchild)])
    with Index(store, None) as index:
        yield store, index, [root, child, grandchild]


System = tuple[Store, Index, list[Model]]


def told(text: str, system: System, at: int | None = None) -> Any:
    """The plain values; what people see must be there as well."""
    store, index, _ = system
    store.refresh()
    index.update()
    described = describe(text, store, store.state if at is None else store.state_at(at), index)
    out = StringIO()
    Console(file=out, width=200).print(described.as_rich())
    assert out.getvalue().strip()
    return json.loads(json.dumps(described.as_json()))


def test_a_task_is_its_model_with_its_history(system: System) -> None:
    store, _, (root, child, grandchild) = system
    note(store, "looks easy", "a")
    found = told("a", system)
    assert (found["model"], found["state"], found["test_accuracy"]) == (grandchild.id, "published", 0.75)
    assert found["ancestors"] == [["a", child.id], [None, root.id]]
    assert [(row["number"], row["model"]) for row in found["iterations"]] == [(7, grandchild.id)]
    assert [row["text"] for row in found["notes"]] == ["looks easy"]


def test_a_retired_task_keeps_its_history(system: System) -> None:
    retire(system[0], "a")
    found = told("a", system)
    assert (found["retired"], len(found["iterations"]), "model" in found) == (True, 1, False)
    assert told("a", system, at=8)["retired"] is False


def test_a_retired_model_is_found_by_the_beginning_of_its_id(system: System) -> None:
    _, _, (root, child, _) = system
    found = told(child.id[:8], system)
    assert (found["model"], found["state"], found["introduced"]) == (child.id, "retired", 5)
    assert told(child.id[:8], system, at=6)["state"] == "active"
    assert told(root.id, system)["state"] == "root"


def test_a_component_has_a_provenance(system: System) -> None:
    _, _, (root, child, grandchild) = system
    bodies = [model.components[0] for model in (root, child, grandchild)]
    found = told(bodies[2].id[:10], system)
    assert (found["number"], found["task"], found["model"]) == (6, "a", grandchild.id)
    assert found["cycles"] == {"a": 8}
    assert [row["component"] for row in found["ancestors"]] == [bodies[1].id, bodies[0].id]
    assert (found["published_in"], found["num_live"], found["num_ever"]) == (["a"], 1, 1)
    of_root = told(bodies[0].id[:10], system)
    assert (of_root["task"], of_root["in_roots"], of_root["ancestors"]) == (None, 1, [])


def test_momentum_leads_to_the_commit_that_brought_it(system: System) -> None:
    momentum = system[2][1].components[0].momentum
    assert momentum is not None
    assert told(momentum[:10], system)["number"] == 5


def test_commits_are_found_by_number_tag_and_distance(system: System) -> None:
    tag(system[0], "v1", 6)
    found = told("v1", system)
    assert (found["number"], found["kind"], found["tags"]) == (6, "finish_child", ["v1"])
    assert found["operation"]["model"]["id"] == system[2][2].id
    assert told("6", system) == told("v1", system) == told("HEAD~3", system)
    assert told("~1", system)["number"] == 8


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("b", UnknownNameError, "no task, tag, commit, model or component named 'b'.* Known: a, empty, v1"),
        ("emty", UnknownNameError, "'emty'. Did you mean 'empty'"),
        ("0000", UnknownNameError, "The nearest ids are"),
        ("99", BadValueError, "There is no commit 99"),
        ("v2~1", UnknownNameError, "no tag named 'v2'"),
        ("empty", BadValueError, "has no model yet"),
    ],
)
def test_what_names_nothing_is_refused(text: str, error: type[Exception], says: str, system: System) -> None:
    tag(system[0], "v1", 6)
    with pytest.raises(error, match=says):
        told(text, system)


def test_a_prefix_of_several_ids_is_refused(monkeypatch: pytest.MonkeyPatch, system: System) -> None:
    _, index, models = system
    found = tuple(one for model in models for one in index.find(ModelId(model.id)))
    monkeypatch.setattr(Index, "find", lambda *_: found)
    with pytest.raises(
        BadValueError, match=rf"'abcd' begins the ids of model {models[0].id[:12]}, .*more of its"
    ):
        told("abcd", system)
