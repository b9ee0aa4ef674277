"""Suites from their files, checked against what is known of their data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from taskgrove.domain.errors import BadValueError, DuplicateNameError
from taskgrove.domain.registry import Registry
from taskgrove.experiment.suites.check import check_task
from taskgrove.experiment.suites.suite import Suite, SuiteTask
from taskgrove.experiment.tables import decode, expect, located, read_table

_FOLDER = Path(__file__).parent
_SHIPPED = (
    "char8",
    "char8_published_splits",
    "glyphs",
    "glyphs8",
    "mccb",
    "task-set-a",
    "task-set-b",
    "vdd",
    "vision5",
    "vit-benchmark",
    "vtab-1k",
    "vtab-full",
)

SUITES: Registry[Path] = Registry(
    "suite", "taskgrove.suites", {name: _FOLDER / f"{name}.toml" for name in _SHIPPED}
)
"""Files by name, each read when it is asked for; an entry point of another package gives its file's path."""

USUAL = ("train", "val", "test", "classes", "source")
"""What a suite may say of all its tasks at once; a task that says otherwise has its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    summary: str
    parts: tuple[str, ...] = ()
    tasks: tuple[SuiteTask, ...] = ()


def suite_of(name: str) -> Suite:
    """The suite of a name, read and checked.

    Raises:
        UnknownNameError: There is no such suite, or it names a data set, split or label that is not known.
        BadValueError: Its file is wrong; says where.
        DuplicateNameError: Two tasks have the same name.
    """
    return replace(read_suite(SUITES[name]), name=name)


@cache
def read_suite(path: Path) -> Suite:
    """The suite that a file describes; raises what `suite_of` raises."""
    table = read_table(path)
    with located(str(path)):
        file = decode(_File, _with_usual(table), "suite")
        if bool(file.parts) == bool(file.tasks):
            raise BadValueError("A suite has either parts, the names of other suites, or tasks of its own.")
        tasks = (*(task for part in file.parts for task in _part(part)), *file.tasks)
        names = [task.name for task in tasks]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise DuplicateNameError(f"tasks: {', '.join(repeated)} is named more than once.")
        for task in file.tasks:
            with located(f"task {task.name!r}"):
                check_task(task)
    return Suite(name=path.stem, summary=file.summary, tasks=tasks, parts=file.parts)


def _part(name: str) -> tuple[SuiteTask, ...]:
    suite = suite_of(name)
    if suite.parts:
        raise BadValueError(f"parts: {name!r} has parts itself; name those instead.")
    return suite.tasks


def _with_usual(table: Mapping[str, Any]) -> dict[str, Any]:
    usual = {key: table[key] for key in USUAL if key in table}
    tasks = expect(table.get("tasks", []), list, "tasks")
    whole = [{**usual, **task} if isinstance(task, dict) else task for task in tasks]
    return {**{key: value for key, value in table.items() if key not in USUAL}, "tasks": whole}
