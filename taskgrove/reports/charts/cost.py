"""Quality against size: one point per task (the axes of muNet, Figure 1, and µ2Net+, Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from taskgrove.reports.analyses.tasks import TaskRow
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
