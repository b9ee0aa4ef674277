"""The command that compares variants of an experiment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import taskgrove
from taskgrove.cli.compare_progress import CompareDisplay
from taskgrove.cli.output import JsonOption, columns, emit, err, say
from taskgrove.experiment.comparison.variants import read_variants
from taskgrove.reports.analyses.comparison import MEASURES, Comparison, as_json, spread

SeedsOption = Annotated[str, typer.Option(help="Of the search and of a random root, e.g. 0,1,2.")]
OnlyOption = Annotated[list[str] | None, typer.Option(help="Only this variant; may be repeated.")]
JobsOption = Annotated[int, typer.Option(help="Runs at the same time, each in a process of its own.")]
DropOption = Annotated[
    bool, typer.Option("--drop-weights", help="Delete the weights of finished runs; their logs stay.")
]


def compare(
    experiment: Annotated[Path, typer.Argument(help="A TOML file with variants.")],
    out: Annotated[Path, typer.Option(help="Folder of all runs, of the tables and of the picture.")],
    seeds: SeedsOption = "0",
    only: OnlyOption = None,
    jobs: JobsOption = 1,
    drop_weights: DropOption = False,
    json: JsonOption = False,
) -> None:
    """Run every variant of an experiment with every seed and compare them; or continue that."""
    variants = read_variants(experiment)
    with CompareDisplay(err, quiet=json) as display:
        reached = taskgrove.compare(
            variants,
            out,
            seeds=_numbers(seeds),
            only=only or [],
            jobs=jobs,
            drop_weights=drop_weights,
            title=experiment.stem,
            observe=display.observe,
        )
    emit(_table(reached.comparison), as_json(reached.comparison), as_json=json)
    say(f"Comparison: {out / 'compare.md'}", err)
    if reached.failures:
        say(f"{len(reached.failures)} of the runs failed; the same command tries them again.", err)
        raise typer.Exit(reached.failures[0].exit_code)


def _numbers(text: str) -> tuple[int, ...]:
    words = [word for word in re.split(r"[,\s]+", text) if word]
    try:
        return tuple(int(word) for word in words)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not a list of whole numbers, e.g. 0,1,2.", param_hint="--seeds"
        ) from error


def _table(comparison: Comparison) -> Table:
    table = columns(*(measure.heading for measure in MEASURES), "variant")
    for name in comparison.variants:
        own = comparison.of(name)
        table.add_row(*(spread(own, measure).text(measure.shown) for measure in MEASURES), name)
    return table
