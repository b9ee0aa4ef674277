"""The command that lists what is registered, and looks at one suite."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

import taskgrove
from taskgrove.cli.output import JsonOption, columns, emit
from taskgrove.domain.errors import BadValueError
from taskgrove.experiment.suites.looking import PlacedTask, placed_tasks

SUITES = "suites"
SourceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="NAME=SOURCE",
        help="Where the data of the suite's task NAME are; `default` for all tasks that are not named.",
    ),
]


def list_registered(
    what: Annotated[str, typer.Argument(help="agents, mutations, families, sources, backends, ….")],
    of: Annotated[
        str | None, typer.Option(metavar="SUITE", help="List the tasks of one of the suites.")
    ] = None,
    source: SourceOption = None,
    json: JsonOption = False,
) -> None:
    """List what is registered, one line each; or a suite's tasks, and what of their data is missing."""
    lines = taskgrove.registered(what)
    if of is None and source:
        raise BadValueError("--source says where the tasks of a suite are; name the suite with --of.")
    if of is not None:
        if what != SUITES:
            raise BadValueError(
                f"--of looks at one of the suites, not of the {what}: list {SUITES} --of {of}."
            )
        tasks = placed_tasks(of, sources_of(source))
        emit(_tasks(tasks), [task.as_json() for task in tasks], as_json=json)
        return
    table = columns("name", "what it is")
    for name, summary in lines.items():
        table.add_row(name, summary)
    emit(table, lines, as_json=json)


def sources_of(texts: list[str] | None) -> dict[str, str]:
    """The sources by task, from `NAME=SOURCE` each."""
    found: dict[str, str] = {}
    for text in texts or []:
        name, equals, source = text.partition("=")
        if not equals or not source or ":" in name:
            raise BadValueError(
                f"--source {text!r} is not NAME=SOURCE, as in mnist=npz:m.npz or, for all tasks that are not "
                "named, default='npz:/data/{name}.npz'."
            )
        found[name] = source
    return found


def _tasks(tasks: tuple[PlacedTask, ...]) -> Table:
    table = columns("task", "classes", "train / val / test", "source")
    for each in tasks:
        splits = " / ".join(each.task.splits().values())
        missing = f"\nmissing: {each.missing}" if each.missing else ""
        table.add_row(each.task.name, str(each.task.classes or ""), splits, each.entry.source + missing)
    return table
