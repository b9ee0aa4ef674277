"""Commands that grow a system."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import taskgrove
from taskgrove.cli.display import AbstractDisplay
from taskgrove.cli.json_lines import JsonLines
from taskgrove.cli.output import (
    DeviceOption,
    GroveArgument,
    JsonLinesOption,
    JsonOption,
    emit,
    err,
    pairs,
    say,
)
from taskgrove.cli.progress import GrowDisplay
from taskgrove.experiment.segments import read_segments
from taskgrove.experiment.spec import ScoreSpec, TrainSpec
from taskgrove.experiment.torchrun import rank_of_process
from taskgrove.reports.analyses.tasks import per_task, totals
from taskgrove.reports.words.table import as_json, as_rich
from taskgrove.tasks.progress import progress_told_to

StoreOption = Annotated[
    str, typer.Option("--store", help="Folder of the system, or <backend>:<location>; made when missing.")
]
ReportOption = Annotated[Path | None, typer.Option(help="Also write a report into this folder.")]


def grow(
    grove: GroveArgument,
    agent: Annotated[str, typer.Option(help="Search method; see `taskgrove list agents`.")] = "mu2net_plus",
    iterations: Annotated[int, typer.Option(help="Task iterations per task.")] = 2,
    task: Annotated[list[str] | None, typer.Option(help="Only these tasks; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Every seed derives from it.")] = 0,
    scale: Annotated[float, typer.Option(help="Cost factor s of the score; 1 is quality alone.")] = 1.0,
    cycles: Annotated[int, typer.Option(help="Train cycles per child.")] = 4,
    samples_cap: Annotated[int, typer.Option(help="Training images per cycle at most.")] = 51_200,
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = 512,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the method, e.g. generations=4.")
    ] = None,
    default: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of a hyperparameter's default, e.g. opt.lr=0.05.")
    ] = None,
    device: DeviceOption = "auto",
    workers: Annotated[
        int, typer.Option(help="Children trained at the same time, in processes; 0: the executor decides.")
    ] = 0,
    executor: Annotated[
        str, typer.Option(help="See `taskgrove list executors`; processes for several workers, else inline.")
    ] = "",
    schedule: Annotated[
        str,
        typer.Option(
            help="sequential: one task after the other; rounds: all tasks at once, with a barrier between "
            "iterations; free: all tasks at once, each at its own pace."
        ),
    ] = "sequential",
    json: JsonOption = False,
    json_lines: JsonLinesOption = False,
) -> None:
    """Evolve the tasks' models; the same command continues a run that was interrupted."""
    system = taskgrove.open(grove)
    with display_of(quiet=json, json_lines=json_lines) as display, progress_told_to(display.read):
        system.grow(
            agent=agent,
            iterations=iterations,
            tasks=tuple(task or ()),
            seed=seed,
            score=ScoreSpec(scale=scale),
            train=TrainSpec(
                cycles=cycles, samples_cap=samples_cap, batch_size=batch_size, precision=precision
            ),
            defaults=pairs(default or [], "--default"),
            device=device,
            executor=executor,
            workers=workers,
            schedule=schedule,
            observe=display.observe,
            watch=display.watch,
            options=pairs(option or [], "--option"),
        )
    show(system, json=json, json_lines=json_lines)


def run(
    experiment: Annotated[Path, typer.Argument(help="A TOML file.")],
    store: StoreOption,
    report: ReportOption = None,
    json: JsonOption = False,
    json_lines: JsonLinesOption = False,
) -> None:
    """Carry out an experiment from one file: root, tasks, search, segments; or continue it."""
    specs = read_segments(experiment)
    follows = rank_of_process().number > 0  # the process that leads speaks for all
    told = json_lines and not follows
    with display_of(quiet=json or follows, json_lines=told) as display, progress_told_to(display.read):
        system = taskgrove.run(specs, store, observe=display.observe, watch=display.watch)
    if follows:
        return
    show(system, json=json, json_lines=json_lines)
    if report is not None:
        page = system.report(report, title=specs[-1].name)[0]
        say(f"Report: {page}", err)


def display_of(*, quiet: bool, json_lines: bool) -> AbstractDisplay:
    """What shows a run: lines of JSON on standard output, or else something for people on standard error."""
    return JsonLines(sys.stdout) if json_lines else GrowDisplay(err, quiet=quiet)


def show(system: taskgrove.Grove, *, json: bool, json_lines: bool = False) -> None:
    """Print the per-task table of a system; with `json_lines` as the event `result`, on one line."""
    view, evaluations = system.view(), system.evaluations()
    rows, total = per_task(view, evaluations), totals(view, evaluations)
    if json_lines:
        JsonLines(sys.stdout).tell("result", as_json(rows, total))
        return
    emit(as_rich(rows, total), as_json(rows, total), as_json=json)
