"""The command that lists what is registered."""

from __future__ import annotations

from typing import Annotated

import typer

from taskgrove.cli.output import JsonOption, columns, emit
from taskgrove.domain.errors import UnknownNameError
from taskgrove.experiment.catalogue import CATALOGUE


def list_registered(
    what: Annotated[str, typer.Argument(help="agents, mutations, families, sources, backends, ….")],
    json: JsonOption = False,
) -> None:
    """List what is registered, one line each."""
    if what not in CATALOGUE:
        raise UnknownNameError.of("catalogue", what, CATALOGUE)
    lines = CATALOGUE[what]()
    table = columns("name", "what it is")
    for name, summary in lines.items():
        table.add_row(name, summary)
    emit(table, lines, as_json=json)
