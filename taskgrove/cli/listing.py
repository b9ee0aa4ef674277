"""The command that lists what is registered."""

from __future__ import annotations

from typing import Annotated

import typer

import taskgrove
from taskgrove.cli.output import JsonOption, columns, emit


def list_registered(
    what: Annotated[str, typer.Argument(help="agents, mutations, families, sources, backends, ….")],
    json: JsonOption = False,
) -> None:
    """List what is registered, one line each."""
    lines = taskgrove.registered(what)
    table = columns("name", "what it is")
    for name, summary in lines.items():
        table.add_row(name, summary)
    emit(table, lines, as_json=json)
