"""The command that tells how many threads and workers are fastest here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group

from taskgrove.cli.grow import display_of
from taskgrove.cli.output import DeviceOption, JsonOption, columns, emit
from taskgrove.experiment.segments import read_segments
from taskgrove.experiment.spec import ExperimentSpec
from taskgrove.reports.quantities import human
from taskgrove.tasks.progress import progress_told_to

if TYPE_CHECKING:
    from taskgrove.experiment.measuring import Measured


def measure(
    experiment: Annotated[Path, typer.Argument(help="A TOML file.")],
    executor: Annotated[
        str, typer.Option(help="Instead of the file's, e.g. `processes` to see what workers would give.")
    ] = "",
    device: DeviceOption = "",
    json: JsonOption = False,
) -> None:
    """Measure how many threads and workers train an experiment's children fastest here."""
    # Imported here, since PyTorch takes a second.
    from taskgrove.experiment.measured import all_measured
    from taskgrove.experiment.measuring import measure as find

    spec = read_segments(experiment)[0]
    spec = replace(spec, executor=executor or spec.executor, device=device or spec.device)
    with display_of(quiet=json, json_lines=False) as display, progress_told_to(display.read):
        found = find(all_measured(spec), spec.root.member)
    table = columns("workers", "threads", "images/s", "")
    for tried in found.tried:
        mark = "fastest, or as good with fewer cores" if tried.crew == found.crew else ""
        table.add_row(str(tried.crew.workers), str(tried.crew.threads), human(tried.images_per_s), mark)
    emit(Group(table, _advice(spec, found)), _plain(found), as_json=json)


def _advice(spec: ExperimentSpec, found: Measured) -> str:
    room = "" if found.places is None else f", and there is room for {found.places:,} at the same time"
    workers = f"workers = {found.crew.workers} and " if found.crew.workers > 1 or spec.workers else ""
    return (
        f"A child of {spec.root.member} needs {human(found.child_bytes, 'B')} of memory{room}.\n"
        f"To have it so: {workers}train.threads = {found.crew.threads}."
    )


def _plain(found: Measured) -> dict[str, object]:
    tried = [
        {"workers": t.crew.workers, "threads": t.crew.threads, "images_per_s": t.images_per_s}
        for t in found.tried
    ]
    return {
        "tried": tried,
        "workers": found.crew.workers,
        "threads": found.crew.threads,
        "child_bytes": found.child_bytes,
        "places": found.places,
    }
