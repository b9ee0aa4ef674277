"""The metrics of a system after every task iteration, with those of its first tasks (µ2Net+, Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Final

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import AddMetrics, Commit, StartExperiment
from taskgrove.reports.analyses.history import measured
from taskgrove.reports.analyses.transfer import accuracy_matrix

ALL_TASKS: Final = "mean_test_accuracy"
FIRST_TASKS: Final = "mean_test_accuracy_first_tasks"


def first_tasks(history: Sequence[Commit]) -> tuple[TaskName, ...]:
    """The tasks of the first experiment when it began; empty before that."""
    starts = (c.operation for c in history if isinstance(c.operation, StartExperiment))
    return next((start.tasks for start in starts), ())


def system_metrics(history: Sequence[Commit]) -> list[AddMetrics]:
    """Everything measured, in the order of the log, with `mean_test_accuracy_first_tasks` added.

    It is the mean over the tasks of the first experiment that have a model by then, of whatever method and
    experiment; `mean_test_accuracy` is that over all tasks. Tasks that have left the system do not count.
    """
    found, first = measured(history), frozenset(first_tasks(history))
    rows = accuracy_matrix(history).rows
    means = ([accuracy for task, accuracy in row.items() if task in first] for row in rows)
    return [
        replace(one, values={**one.values, FIRST_TASKS: fmean(known)}) if known else one
        for one, known in zip(found, means, strict=True)
    ]
