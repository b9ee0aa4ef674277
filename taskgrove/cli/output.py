"""How commands answer: tables for people, JSON for programs, one friendly line for errors."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table

GroveArgument = Annotated[
    str, typer.Argument(metavar="GROVE", help="Folder of the system, or <backend>:<location>.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
JsonLinesOption = Annotated[
    bool,
    typer.Option("--json-lines", help="Print JSON: one line per event while it runs, last the table."),
]
AtOption = Annotated[
    str | None,
    typer.Option("--at", metavar="COMMIT", help="As of a commit: its number, a tag, HEAD~N or ~N."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]

_WIDTH = None if sys.stdout.isatty() else 120
"""Of tables that go into a file or a pipe, which have no width of their own."""

# File and class names may hold square brackets, which Rich would take for its markup.
out = Console(width=_WIDTH, markup=False)
err = Console(stderr=True, markup=False)


def columns(*headings: str) -> Table:
    """An empty table in the style of all tables of the program; the last column folds."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in headings[:-1]:
        table.add_column(heading)
    table.add_column(headings[-1], overflow="fold")
    return table


def emit(shown: RenderableType, data: object, *, as_json: bool) -> None:
    """Print a table or a sentence, or with `as_json` the same data as one JSON value."""
    if as_json:
        sys.stdout.write(json.dumps(data, indent=1, default=str) + "\n")
    elif isinstance(shown, str):
        say(shown)
    else:
        out.print(shown)


def say(text: str, console: Console = out) -> None:
    """Print a sentence as it is: on one line, however long, without markup."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def pairs(texts: list[str], option: str) -> dict[str, bool | int | float | str]:
    """`name=value` options as values: true, false, numbers, or text."""
    values: dict[str, bool | int | float | str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint=option)
        values[name] = _value(value)
    return values


def _value(text: str) -> bool | int | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
