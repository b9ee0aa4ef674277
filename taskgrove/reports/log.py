"""The log in plain words: one line per commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddRoot,
    AddTask,
    BeginIteration,
    Commit,
    EndIteration,
    FinishChild,
    Operation,
    StartExperiment,
)
from taskgrove.reports.history import Status, status_of
from taskgrove.reports.quantities import human, percent, plural, short, utc

_STYLES = {Status.ACCEPTED: "green", Status.REJECTED: "dim", Status.FAILED: "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One commit.

    Attributes:
        number: Position in the log.
        time: UTC, to the second.
        text: What the commit did.
        status: How a child ended; None for other commits.
    """

    number: int
    time: str
    text: str
    status: Status | None = None


def lines(history: Iterable[Commit]) -> list[LogLine]:
    """One line per commit, in the order given."""
    return [
        LogLine(
            number=commit.number,
            time=utc(commit.time),
            text=describe(commit.operation),
            status=status_of(commit.operation) if isinstance(commit.operation, FinishChild) else None,
        )
        for commit in history
    ]


def describe(operation: Operation) -> str:
    """What an operation does, in one sentence."""
    match operation:
        case AddRoot(model=model):
            return f"root {short(model.id)} added: {model.member}, {human(model.num_params)} parameters"
        case AddTask(task=task):
            images = human(task.sizes.get("train"))
            return f"task {task.name} added: {task.num_classes} classes, {images} training images"
        case StartExperiment(experiment=name, iterations=iterations, tasks=tasks):
            each = plural(iterations, "iteration")
            return f"experiment {name} started: {plural(len(tasks), 'task')}, {each} each"
        case BeginIteration(task=task, iteration=iteration, agent=agent):
            return f"iteration {iteration} of {task} begun by {agent}"
        case FinishChild():
            return _describe_child(operation)
        case EndIteration(task=task, iteration=iteration):
            best = f"best is {short(operation.best)}" if operation.best else "still no model"
            score = "" if operation.score is None else f", score {operation.score:.4f}"
            return f"iteration {iteration} of {task} ended: {best}{score}"
        case AddEvaluation(evaluation=found):
            accuracy = f"{found.accuracy:.3f} on {plural(found.num_samples, 'image')}"
            return f"{found.split} accuracy of {found.task} ({short(found.model)}): {accuracy}"
        case AddMetrics():
            return _describe_metrics(operation)
    assert_never(operation)


def as_rich(shown: Sequence[LogLine]) -> Table:
    """A table for the terminal."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("commit", justify="right", no_wrap=True)
    table.add_column("time (UTC)", no_wrap=True)
    table.add_column("what", overflow="fold")
    for line in shown:
        style = _STYLES[line.status] if line.status else ""
        table.add_row(str(line.number), line.time, Text(line.text, style=style))
    return table


def as_json(shown: Sequence[LogLine]) -> list[dict[str, object]]:
    """The lines as plain values."""
    return [msgspec.to_builtins(line) for line in shown]


def _describe_metrics(metrics: AddMetrics) -> str:
    found = metrics.values
    system = (
        f"{plural(round(found.get('tasks', 0)), 'task')} with a model",
        f"test {percent(found.get('mean_test_accuracy'))} %",
        f"{human(found.get('params_per_task'))} parameters per task",
        f"{human(found.get('mean_flops'), 'FLOP')} per image",
    )
    spent = (
        plural(round(found.get("children", 0)), "child", "children"),
        f"{human(found.get('samples'))} images",
        human(found.get("train_flops"), "FLOP"),
    )
    where = f"after iteration {metrics.iteration} of {metrics.task}"
    return f"{where}: {', '.join(system)}; {metrics.experiment} has used {', '.join(spent)}"


def _describe_child(child: FinishChild) -> str:
    status = status_of(child)
    changes = ", ".join(child.mutations) or "no mutation"
    if child.failure is not None:
        what = f"{child.failure.kind}: {child.failure.text}"
    else:
        quality = f"validation {child.result.quality:.3f}" if child.result else "validation unknown"
        what = quality if child.score is None else f"{quality}, score {child.score:.4f}"
    position = f"{child.iteration}.{child.generation}.{child.child}"
    return f"child {position} of {child.task}: {status}, {what} ({changes})"
