"""The reference pages say all there is, and what the code says."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

import pytest
import typer

from taskgrove.agents.methods import AGENTS
from taskgrove.cli.main import app
from taskgrove.experiment.catalogue import CATALOGUE
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, RootSpec, ScoreSpec, TaskEntry, TrainSpec
from tests.docs.markdown_blocks import DOCS, ROOT

SECTIONS: Mapping[str, type[Any]] = {
    "root.": RootSpec,
    "agent.": AgentSpec,
    "score.": ScoreSpec,
    "train.": TrainSpec,
    "tasks.": TaskEntry,
}
"""Of an experiment, by what stands before the keys."""


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    """The script that writes the generated pages."""
    return runpy.run_path(str(DOCS / "generate.py"))


@pytest.mark.parametrize("file", ["cli.md", "catalogue.md"])
def test_generated_pages_are_up_to_date(file: str, generator: dict[str, Any]) -> None:
    page: Callable[[], str] = generator["PAGES"][file]
    written = (DOCS / file).read_text(encoding="utf-8")
    assert written == page(), f"docs/{file} is out of date; run `make docs`"


def command_names(command: Any, path: str) -> Iterator[str]:
    """All commands of the program."""
    inner: Mapping[str, Any] = vars(command).get("commands", {})
    if not inner:
        yield path
    for name, child in inner.items():
        yield from command_names(child, f"{path} {name}")


def test_every_command_is_documented() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    names = list(command_names(typer.main.get_command(app), "taskgrove"))
    assert "taskgrove task add" in names
    assert [name for name in names if f"## `{name}`\n" not in page] == []


@pytest.mark.parametrize("kind", sorted(CATALOGUE))
def test_every_registered_name_is_documented(kind: str) -> None:
    page = (DOCS / "catalogue.md").read_text(encoding="utf-8")
    entries = CATALOGUE[kind]()
    assert entries
    assert [name for name in entries if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("name", list(AGENTS))
def test_every_option_of_an_agent_is_described(name: str, generator: dict[str, Any]) -> None:
    options = AGENTS[name].options_type
    described = generator["attributes"](options)
    assert [field.name for field in fields(options) if not described.get(field.name)] == []


def default(field: Field[Any]) -> str:
    """A field's default as the tables show it."""
    if field.default_factory is not MISSING or field.default in (None, ()):
        return "none"
    return "required" if field.default is MISSING else f"`{field.default}`"


def keys() -> Iterator[tuple[str, str]]:
    """Every key of an experiment with its default."""
    inner = {prefix.removesuffix(".") for prefix in SECTIONS}
    for field in fields(ExperimentSpec):
        if field.name not in inner or field.name == "tasks":
            yield field.name, default(field)
    for prefix, kind in SECTIONS.items():
        yield from ((f"{prefix}{field.name}", default(field)) for field in fields(kind))


@pytest.mark.parametrize(("key", "value"), list(keys()))
def test_every_key_of_an_experiment_is_documented_with_its_default(key: str, value: str) -> None:
    page = (DOCS / "experiments.md").read_text(encoding="utf-8")
    assert f"| `{key}` | {value} | " in page


def test_every_room_is_on_the_map() -> None:
    page = (DOCS / "index.md").read_text(encoding="utf-8")
    rooms = [path.parent.name for path in (ROOT / "taskgrove").glob("*/__init__.py")]
    assert len(rooms) > 10
    assert [room for room in rooms if f"| `{room}`" not in page] == []
