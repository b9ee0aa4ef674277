"""The log in plain words: one line per commit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddRoot,
    AddTask,
    BeginIteration,
    BeginRound,
    Claim,
    Commit,
    Condemn,
    EndIteration,
    FinishChild,
    FinishProbe,
    Note,
    Operation,
    Publish,
    Retire,
    StartExperiment,
    Tag,
)
from taskgrove.reports.analyses.history import Status, status_of
from taskgrove.reports.quantities import human, percent, plural, short, utc
from taskgrove.store.codec import KINDS

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


def selected(history: Iterable[Commit], task: TaskName | None, kind: str | None) -> Iterator[Commit]:
    """The commits about a task and of a kind; None asks for all.

    Args:
        history: In any order.
        task: Need not be in the system any more.
        kind: As stored, e.g. `finish_child`.

    Raises:
        UnknownNameError: There is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise UnknownNameError.of("kind of commit", kind, KINDS)
    return (
        commit
        for commit in history
        if (task is None or task in tasks_of(commit.operation))
        and (kind is None or isinstance(commit.operation, KINDS[kind]))
    )


def tasks_of(operation: Operation) -> tuple[TaskName, ...]:
    """The tasks that an operation is about; an experiment is about all that it names."""
    match operation:
        case AddTask(task=spec):
            return (spec.name,)
        case StartExperiment(tasks=tasks):
            return tasks
        case AddEvaluation(evaluation=evaluation):
            return (evaluation.task,)
        case Publish(task=task, replaces=replaces):
            return tuple(dict.fromkeys((task, *replaces)))
        case Note(task=about):
            return () if about is None else (about,)
        case BeginRound(iterations=iterations):
            return tuple(iterations)
        case BeginIteration() | FinishChild() | EndIteration() | AddMetrics() | Claim() | Retire():
            return (operation.task,)
        case FinishProbe(task=task, other=other):
            return (task, other)
        case AddRoot() | Tag() | Condemn():
            return ()
    assert_never(operation)


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
        case BeginRound(iterations=iterations):
            return f"round begun: {', '.join(f'iteration {n} of {task}' for task, n in iterations.items())}"
        case FinishChild():
            return _describe_child(operation)
        case FinishProbe():
            return _describe_probe(operation)
        case EndIteration(task=task, iteration=iteration):
            best = f"best is {short(operation.best)}" if operation.best else "still no model"
            score = "" if operation.score is None else f", score {operation.score:.4f}"
            return f"iteration {iteration} of {task} ended: {best}{score}"
        case AddEvaluation(evaluation=found):
            accuracy = f"{found.accuracy:.3f} on {plural(found.num_samples, 'image')}"
            return f"{found.split} accuracy of {found.task} ({short(found.model)}): {accuracy}"
        case AddMetrics():
            return _describe_metrics(operation)
        case Publish() | Claim() | Tag() | Note() | Retire() | Condemn():
            return _describe_care(operation)
    assert_never(operation)


def _describe_care(operation: Publish | Claim | Tag | Note | Retire | Condemn) -> str:
    """What concerns several tasks, the whole system or its upkeep."""
    match operation:
        case Publish(models=models, iteration=iteration, task=task):
            published = ", ".join(f"{model.task} {short(model.id)}" for model in models)
            return f"published in iteration {iteration} of {task}: {published}"
        case Claim(task=task, agent=agent, holder=holder):
            return f"task {task} claimed for {agent} by {holder}"
        case Tag(name=name, number=number):
            return f"commit {number} tagged {name}"
        case Note(text=text, task=about):
            return f"note about {about}: {text}" if about else f"note: {text}"
        case Retire(task=task):
            return f"task {task} retired"
        case Condemn(blobs=blobs, reason=reason):
            return f"{plural(len(blobs), 'blob')} condemned as garbage ({reason})"
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


def _describe_probe(probe: FinishProbe) -> str:
    layers = ", ".join(f"{slot} {value:.2f}" for slot, value in probe.conflicts.items())
    images = plural(probe.num_samples, "image")
    return f"{probe.task} compared with {probe.other} by {probe.measure} on {images}: {layers}"


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
