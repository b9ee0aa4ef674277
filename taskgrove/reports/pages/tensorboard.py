"""A system's history as event files, which TensorBoard draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from taskgrove.domain.errors import BadValueError, EnvironmentFailure, MissingExtraError
from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    Commit,
    EndIteration,
    FinishChild,
    Publish,
    published_by,
)

if TYPE_CHECKING:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

SYSTEM = "system"
"""Run of what concerns all tasks; every task is a run of its own, below `tasks`."""
_EVENTS = "events.out.tfevents.*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A value at a moment.

    Attributes:
        run: Whose curve.
        tag: Which.
        step: Number of the child, iteration or measurement, from 1.
        time: Of its commit (s, epoch).
        value: What is drawn.
    """

    run: str
    tag: str
    step: int
    time: float
    value: float


def scalars(history: Iterable[Commit]) -> Iterator[Scalar]:
    """What a history tells in numbers: every child, every published model, the system's metrics.

    Args:
        history: From the first commit on.
    """
    counts: Counter[tuple[str, str]] = Counter()
    qualities: dict[ModelId, float] = {}
    for commit in history:
        qualities.update((model.id, model.quality) for model in published_by(commit))
        for run, tag, value in _values(commit, qualities):
            counts[run, tag] += 1
            yield Scalar(run=run, tag=tag, step=counts[run, tag], time=commit.time, value=value)


def _values(commit: Commit, qualities: dict[ModelId, float]) -> Iterator[tuple[str, str, float]]:
    match commit.operation:
        case FinishChild(task=task, result=result, score=score):
            if result is not None:
                yield _of(task), "children/validation accuracy", result.quality
            if score is not None:
                yield _of(task), "children/score", score
            if "train_s" in commit.meters:
                yield _of(task), "children/seconds", commit.meters["train_s"]
        case EndIteration(task=task, best=best) if best is not None:
            yield _of(task), "published/validation accuracy", qualities[best]
        case Publish(models=models, task=own):
            for model in models:
                if model.task is not None and model.task != own:
                    yield _of(model.task), "published/validation accuracy", model.quality
        case AddEvaluation(evaluation=found):
            yield _of(found.task), f"published/{found.split} accuracy", found.accuracy
        case AddMetrics(values=values):
            yield from ((SYSTEM, f"{SYSTEM}/{name}", value) for name, value in values.items())


def _of(task: TaskName) -> str:
    return f"tasks/{task}"


def export(history: Iterable[Commit], folder: Path) -> int:
    """Write event files of all runs below a folder; those that are there are replaced.

    Returns:
        How many values they hold.

    Raises:
        MissingExtraError: TensorBoard is not installed.
        BadValueError: The folder is a file.
        EnvironmentFailure: It cannot be written.
    """
    _require()
    if folder.exists() and not folder.is_dir():
        raise BadValueError(f"{folder} is a file; name a folder for the event files.")
    try:
        return _write(history, folder)
    except OSError as error:
        raise EnvironmentFailure(f"Could not write event files below {folder}: {error}.") from error


def _write(history: Iterable[Commit], folder: Path) -> int:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    written = 0
    writers: dict[str, EventFileWriter] = {}
    with ExitStack() as opened:
        for scalar in scalars(history):
            if scalar.run not in writers:
                writers[scalar.run] = _writer(folder / scalar.run)
                opened.callback(writers[scalar.run].close)
            value = Summary.Value(tag=scalar.tag, simple_value=scalar.value)
            event = Event(wall_time=scalar.time, step=scalar.step, summary=Summary(value=[value]))
            writers[scalar.run].add_event(event)
            written += 1
    return written


def _writer(folder: Path) -> EventFileWriter:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for old in folder.glob(_EVENTS):
        old.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    return EventFileWriter(str(folder))


def _require() -> None:
    try:
        import tensorboard  # noqa: F401 - whether it can be imported is the question
    except ImportError as error:
        raise MissingExtraError(
            "Event files are written with TensorBoard, which is not installed; run: pip install "
            "'taskgrove[tensorboard]'."
        ) from error
