"""Commands that make other systems out of one: mirrors and forks."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from taskgrove.cli.counting import Counting
from taskgrove.cli.output import AtOption, JsonOption, emit, err, say
from taskgrove.experiment.copies import fork_store, mirror_store
from taskgrove.reports.quantities import human, plural

_SourceArgument = Annotated[
    str, typer.Argument(metavar="SRC", help="Folder of the system, or its URL; it is only read.")
]


def mirror(
    source: _SourceArgument,
    target: Annotated[str, typer.Argument(metavar="DST", help="An empty place, or an earlier mirror.")],
    json: JsonOption = False,
) -> None:
    """Copy a system to another place, or bring a copy up to date; exit code 4 when something is damaged."""
    with Counting(err) as counting:
        found = mirror_store(source, target, told=counting.told)
    text = (
        f"{plural(found.num_commits, 'commit')} and {plural(found.num_blobs, 'blob')} "
        f"({human(found.num_bytes, 'B')}) copied, {plural(found.num_there, 'blob')} already there, "
        f"{found.num_deleted} collected; {target} is at commit {found.number}."
    )
    emit(text, {"ok": found.ok, **asdict(found)}, as_json=json)
    if not found.ok:
        for problem in found.problems:
            say(problem, err)
        raise typer.Exit(4)


def fork(
    source: Annotated[str, typer.Argument(metavar="SRC", help="Folder of the system, or its URL.")],
    target: Annotated[str, typer.Argument(metavar="DST", help="An empty place.")],
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """Make a system that goes on from a commit of another; nothing is copied, so SRC must stay."""
    made = fork_store(source, target, at=at)
    text = (
        f"{target} goes on from commit {made.number} of {made.parent}, which keeps what is live there "
        f"under the tag {made.tag}."
    )
    emit(text, asdict(made), as_json=json)
