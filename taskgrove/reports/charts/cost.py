"""Quality against size: one point per task (the axes of muNet, Figure 1, and µ2Net+, Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tasks import TaskRow, per_task
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill
from taskgrove.reports.drawing.colors import task_colors
from taskgrove.reports.quantities import human

_MAX_NAMES = 30


def draw_size(rows: Sequence[TaskRow], title: str = "") -> Figure:
    """Accuracy of every task against its accounted parameters and against its FLOPs.

    Points are test accuracies, hollow ones validation accuracies of models that were not tested.

    Args:
        rows: One per task in order of arrival; tasks without a model are left out.
        title: Above the picture.
    """
    known = [row for row in rows if row.val_accuracy is not None]
    figure = Figure(figsize=(12, 4.5) if known else (6, 1.5), layout="constrained")
    figure.suptitle(title, fontsize=12)
    if not known:
        figure.text(0.5, 0.4, "No task has a model yet.", ha="center", color="#606060")
        return figure
    left, right = figure.subplots(1, 2, sharey=True)
    colors = task_colors(row.task for row in rows)
    for row in known:
        if row.accounted_params is not None and row.flops is not None:
            _draw_point(left, row, row.accounted_params, colors[row.task])
            _draw_point(right, row, row.flops, colors[row.task])
    for axes, label in ((left, "accounted parameters"), (right, "FLOPs per image")):
        axes.set_xlabel(label)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: human(value)))
        axes.grid(color="#eeeeee")
        axes.set_axisbelow(True)
    left.set_ylabel("test accuracy (%)")
    handles, labels = left.get_legend_handles_labels()
    if 0 < len(labels) <= _MAX_NAMES:
        columns = min(len(labels), 8)
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8, frameon=False)
    return figure


def _draw_point(axes: Axes, row: TaskRow, x: float, color: str) -> None:
    tested = row.test_accuracy is not None
    accuracy = row.test_accuracy if row.test_accuracy is not None else row.val_accuracy or 0.0
    face = color if tested else "none"
    axes.scatter([x], [100 * accuracy], s=36, facecolors=face, edgecolors=color, label=row.task)


@final
class CostChart(AbstractStill):
    """Accuracy of every task against size and compute (the axes of 001, Figure 3, and 000, Figure 2)."""

    name: ClassVar[str] = "cost"
    title: ClassVar[str] = "Accuracy and cost"
    summary: ClassVar[str] = "accuracy of each task against its accounted parameters and its FLOPs"
    caption: ClassVar[str] = "Test accuracies; hollow points are validation accuracies of untested models."

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_size(per_task(runs[0].view, runs[0].evaluations))

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        rows = per_task(runs[0].view, runs[0].evaluations)
        return TidyTable(
            headings=("task", "test_accuracy", "val_accuracy", "accounted_params", "flops"),
            rows=tuple((r.task, r.test_accuracy, r.val_accuracy, r.accounted_params, r.flops) for r in rows),
        )
