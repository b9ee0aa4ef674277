"""Commands that search over grow sequences, and that merge what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

import taskgrove
from taskgrove.cli.output import JsonOption, columns, emit, err, say
from taskgrove.cli.search_progress import SearchDisplay
from taskgrove.reports.analyses.searched import HEADINGS, Searched, cells
from taskgrove.reports.quantities import plural


def search(
    experiment: Annotated[Path, typer.Argument(help="A TOML file of the method bind_grow, with [search].")],
    store: Annotated[
        str,
        typer.Option("--store", help="The system that trials branch off; made when missing, never grown."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of all trials, of the tables and of the picture.")],
    trials: Annotated[int, typer.Option(help="Grow sequences to try, earlier calls included.")] = 20,
    jobs: Annotated[int, typer.Option(help="Trials at the same time, each in a process of its own.")] = 1,
    no_sharing: Annotated[
        bool,
        typer.Option("--no-sharing", help="Do again what another trial has done; to measure what it saves."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Search for grow sequences with high gain and few parameters; or continue that."""
    spec, settings = taskgrove.read_search(experiment)
    with SearchDisplay(err, quiet=json) as display:
        searched = taskgrove.search(
            spec,
            store,
            out,
            settings=settings,
            trials=trials,
            jobs=jobs,
            sharing=not no_sharing,
            observe=display.observe,
        )
    emit(_table(searched), msgspec.to_builtins(searched.front), as_json=json)
    say(f"Search: {out / 'search.md'}", err)


def pick(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a search.")],
    trial: Annotated[int, typer.Option(help="Number of the trial.")],
    store: Annotated[str, typer.Option("--store", help="The system that the search was given.")],
    json: JsonOption = False,
) -> None:
    """Make the system of a search the one that a trial has grown, with its history."""
    done = taskgrove.pick(folder, store, trial=trial)
    commits = plural(done.num_commits, "commit")
    text = (
        f"Trial {done.trial} had been picked before: {store} has its {commits}."
        if done.already
        else f"{store} is now the system of trial {done.trial}: {commits} merged."
    )
    emit(text, msgspec.to_builtins(done), as_json=json)


def _table(searched: Searched) -> Table:
    """The Pareto front."""
    table = columns(*HEADINGS)
    for trial in searched.front:
        table.add_row(*cells(trial))
    return table
