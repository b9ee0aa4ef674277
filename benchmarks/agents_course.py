"""What the log of a run says about its course: accuracies, times, workers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from taskgrove.coordinator.metrics import TEST
from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    BeginIteration,
    BeginRound,
    Commit,
    FinishChild,
)
from taskgrove.experiment.grove import Grove
from taskgrove.reports.analyses.duty import Worker, duty


class Case(NamedTuple):
    """How an experiment is carried out."""

    schedule: str
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One run.

    Attributes:
        accuracies: Mean test accuracy over all tasks after each task-set iteration, in [0, 1].
        times: When each of them ended, in seconds since the first task iteration began.
        growing_s: Until the last commit.
        whole_s: With the reading of all data and the start of processes.
        workers: How busy they were.
        train_s: Of children, by task.
        test_s: Of the tests of published models.
        models: Published at the end, by task.
    """

    accuracies: tuple[float, ...]
    times: tuple[float, ...]
    growing_s: float
    whole_s: float
    workers: tuple[Worker, ...]
    train_s: dict[TaskName, list[float]]
    test_s: list[float]
    models: tuple[tuple[TaskName, ModelId], ...]


def course_of(grove: Grove, experiment: str, whole_s: float) -> Course:
    """The course of a system's only experiment."""
    history = [*grove.store.history()]
    began = next(c.time for c in history if isinstance(c.operation, BeginIteration | BeginRound))
    train_s: dict[TaskName, list[float]] = defaultdict(list)
    for commit in history:
        if isinstance(commit.operation, FinishChild):
            train_s[commit.operation.task].append(commit.meters["train_s"])
    tests = [c.meters["evaluate_s"] for c in history if isinstance(c.operation, AddEvaluation)]
    accuracies, times = _curve(history, len(grove.view().experiments[experiment].tasks))
    return Course(
        accuracies=tuple(accuracies),
        times=tuple(time - began for time in times),
        growing_s=history[-1].time - began,
        whole_s=whole_s,
        workers=duty(history)[experiment],
        train_s=train_s,
        test_s=tests,
        models=tuple(sorted(grove.view().bests.items())),
    )


def _curve(history: list[Commit], num_tasks: int) -> tuple[list[float], list[float]]:
    """Mean test accuracy after each task-set iteration, and when it ended."""
    now: dict[TaskName, float] = {}
    after: dict[int, list[float]] = defaultdict(list)
    times: dict[int, float] = {}
    for commit in history:
        operation = commit.operation
        if isinstance(operation, AddEvaluation) and operation.evaluation.split == TEST:
            now[operation.evaluation.task] = operation.evaluation.accuracy
        elif isinstance(operation, AddMetrics):
            after[operation.iteration].append(now.get(operation.task, 0.0))
            times[operation.iteration] = commit.time
    whole = sorted(i for i, found in after.items() if len(found) == num_tasks)
    return [fmean(after[i]) for i in whole], [times[i] for i in whole]
