"""Commands that look at a system."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group

import taskgrove
from taskgrove.cli.output import GroveArgument, JsonOption, emit, err, say
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import TaskName
from taskgrove.experiment.places import check_store, open_store
from taskgrove.reports.log import as_json as log_json
from taskgrove.reports.log import as_rich as log_rich
from taskgrove.reports.log import lines
from taskgrove.reports.show import describe_model, describe_system
from taskgrove.reports.table import as_json, as_rich, per_task, totals


def status(grove: GroveArgument, json: JsonOption = False) -> None:
    """Show where the system stands: tasks, accuracies, sizes, sharing."""
    state = open_store(grove).state
    view, evaluations = state.view, state.evaluations
    described = describe_system(view, state.spent)
    rows, total = per_task(view, evaluations), totals(view, evaluations)
    shown = Group(described.as_rich(), as_rich(rows, total))
    emit(shown, {**described.as_json(), **as_json(rows, total)}, as_json=json)


def log(
    grove: GroveArgument,
    last: Annotated[int, typer.Option("-n", "--last", help="Only the newest commits; 0 for all.")] = 20,
    json: JsonOption = False,
) -> None:
    """Show the commits, one line each."""
    if last < 0:
        raise BadValueError(f"--last must not be negative, got {last}; 0 shows all commits.")
    history = open_store(grove).history()
    kept = list(history) if last == 0 else list(deque(history, maxlen=last))
    shown = lines(kept)
    emit(log_rich(shown), log_json(shown), as_json=json)


def show(
    grove: GroveArgument,
    task: Annotated[str, typer.Argument(help="A task; its published model is shown.")],
    json: JsonOption = False,
) -> None:
    """Show a task's model: its layers, who shares and who trained them, its hyperparameters."""
    view = open_store(grove).state.view
    view.task(TaskName(task))
    model = view.best(TaskName(task))
    if model is None:
        raise BadValueError(f"Task {task!r} has no model yet; run `taskgrove grow` first.")
    described = describe_model(model, view)
    emit(described.as_rich(), described.as_json(), as_json=json)


def report(
    grove: GroveArgument,
    folder: Annotated[Path, typer.Argument(help="Where to write it; renewed when it exists.")],
) -> None:
    """Write tables and pictures of the system into a folder."""
    say(str(taskgrove.open(grove, writable=False).report(folder)[0]))


def check(
    grove: GroveArgument,
    fast: Annotated[bool, typer.Option(help="Do not hash the blobs again.")] = False,
    json: JsonOption = False,
) -> None:
    """Verify everything that is stored; exit code 4 when something is damaged."""
    found = check_store(grove, deep=not fast)
    data = {
        "ok": found.ok,
        "commits": found.num_commits,
        "blobs": found.num_blobs,
        "orphans": found.num_orphans,
        "orphan_bytes": found.orphan_bytes,
        "problems": list(found.problems),
    }
    text = (
        f"{found.num_commits} commits, {found.num_blobs} blobs, "
        f"{found.num_orphans} orphans ({found.orphan_bytes:,} bytes): "
        + ("sound." if found.ok else f"{len(found.problems)} problems.")
    )
    emit(text, data, as_json=json)
    if not found.ok:
        for problem in found.problems:
            say(problem, err)
        raise typer.Exit(4)
