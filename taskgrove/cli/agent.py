"""Commands for agents that join a living system, and for whoever wants to know which there are."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

import taskgrove
from taskgrove.cli.grow import display_of, show
from taskgrove.cli.output import DeviceOption, GroveArgument, JsonLinesOption, JsonOption, emit, pairs
from taskgrove.domain.errors import BadValueError
from taskgrove.experiment.places import open_store
from taskgrove.experiment.role import Role
from taskgrove.experiment.segments import read_segments
from taskgrove.experiment.spec import ScoreSpec, TrainSpec
from taskgrove.reports.words.agents import as_json, as_rich, at_work
from taskgrove.store.presence import present
from taskgrove.tasks.progress import progress_told_to


def agent(
    grove: GroveArgument,
    task: Annotated[list[str], typer.Option(help="A task that it grows; may be repeated.")],
    experiment: Annotated[
        Path | None,
        typer.Option(help="A TOML file: grow these tasks of its experiment, others grow the others."),
    ] = None,
    method: Annotated[str, typer.Option(help="Search method; see `taskgrove list agents`.")] = "mu2net_plus",
    iterations: Annotated[
        int, typer.Option(help="Task iterations per task; 0 goes on until it is interrupted.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Every seed derives from it.")] = 0,
    scale: Annotated[float, typer.Option(help="Cost factor s of the score; 1 is quality alone.")] = 1.0,
    cycles: Annotated[int, typer.Option(help="Train cycles per child.")] = 4,
    samples_cap: Annotated[int, typer.Option(help="Training images per cycle at most.")] = 51_200,
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = 512,
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the method, e.g. generations=4.")
    ] = None,
    device: DeviceOption = "auto",
    workers: Annotated[
        int, typer.Option(help="Children trained at the same time, in processes; 0: the executor decides.")
    ] = 0,
    json: JsonOption = False,
    json_lines: JsonLinesOption = False,
) -> None:
    """Grow some tasks of a system that others may be growing; it may be started and stopped at any time.

    It claims its tasks: an agent that had them before is refused from then on.
    """
    if iterations < 0:
        raise BadValueError(f"--iterations must not be negative, got {iterations}; 0 goes on for ever.")
    system = taskgrove.open(grove)
    with display_of(quiet=json, json_lines=json_lines) as display, progress_told_to(display.read):
        if experiment is not None:
            for spec in read_segments(experiment):
                role = Role(tasks=tuple(task), claims=True)
                system.run(spec, display.observe, display.watch, role=role)
        for _ in () if experiment is not None else range(1) if iterations else count():
            system.grow(
                agent=method,
                iterations=iterations or 1,
                tasks=tuple(task),
                seed=seed,
                score=ScoreSpec(scale=scale),
                train=TrainSpec(cycles=cycles, samples_cap=samples_cap, batch_size=batch_size),
                device=device,
                workers=workers,
                observe=display.observe,
                watch=display.watch,
                options=pairs(option or [], "--option"),
                claim=True,
            )
    show(system, json=json, json_lines=json_lines)


def agents(grove: GroveArgument, json: JsonOption = False) -> None:
    """Show who is at work in a system: on which tasks, since when, how fast, and who has gone silent."""
    store = open_store(grove)
    rows = at_work(present(store.backend), store.state.claims, time.time())
    emit(as_rich(rows), as_json(rows), as_json=json)
