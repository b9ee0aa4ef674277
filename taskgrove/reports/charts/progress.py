"""How the search went: validation accuracies and scores by children trained and by wall time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Commit
from taskgrove.reports.analyses.history import Child, Status, children
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill
from taskgrove.reports.drawing.colors import task_colors

MAX_LINES: Final = 10
"""With more tasks than this, bands over tasks replace one line per task."""

_SAMPLES = 1000
_BANDS = ((0.0, 1.0, "#e3eaf4", "all tasks"), (0.1, 0.9, "#bccde6", "80 % of tasks"))
_MEAN = "#202020"
_UNITS = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))
_FEWEST = 2
"""A unit of time is used when the run took this many of it."""
_MARKS = (("accepted", "o", "#808080"), ("rejected", "o", "none"), ("failed", "x", "none"))

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """One curve plot: what is shown of each child, and where it stands."""

    axes: Axes
    found: Sequence[Child]
    x: Mapping[int, float]
    y: Mapping[int, float]


def draw_progress(history: Iterable[Commit], title: str = "", tasks: Iterable[TaskName] = ()) -> Figure:
    """Best validation accuracy and score so far, per task and on average over tasks.

    Filled points are accepted children, hollow ones were rejected, crosses failed. With more than ten
    tasks, bands over tasks take the place of lines and points.

    Args:
        history: The log, from its start.
        title: Above the picture.
        tasks: All tasks in order of arrival, so that colours agree with the multitask graph's.
    """
    found = children(history)
    figure = Figure(figsize=(12, 7.5) if found else (6, 1.5), layout="constrained")
    figure.suptitle(title, fontsize=12)
    if not found:
        figure.text(0.5, 0.4, "No child has been trained yet.", ha="center", color="#606060")
        return figure
    start, end = min(child.time for child in found), max(child.time for child in found)
    unit, seconds = next((u, s) for u, s in _UNITS if end - start >= _FEWEST * s or s == 1)
    positions = {
        "children trained": {child.order: float(child.order) for child in found},
        f"{unit} since the first child": {child.order: (child.time - start) / seconds for child in found},
    }
    measures = {
        "validation accuracy (%)": {c.order: 100 * c.quality for c in found if c.quality is not None},
        "score": {c.order: c.score for c in found if c.score is not None},
    }
    # Tasks that have been retired are in the history, but no longer among all tasks.
    colors = task_colors(dict.fromkeys((*tasks, *(child.task for child in found))))
    grid = figure.subplots(2, 2, squeeze=False, sharex="col", sharey="row")
    for row, (measure, y) in zip(grid, measures.items(), strict=True):
        for axes, (position, x) in zip(row, positions.items(), strict=True):
            _draw(_Panel(axes=axes, found=found, x=x, y=y), colors)
            axes.set_xlabel(position if measure == "score" else "")
        row[0].set_ylabel(measure)
    _draw_legend(figure, grid[0][0], points=len({child.task for child in found}) <= MAX_LINES)
    return figure


def _draw(panel: _Panel, colors: Mapping[TaskName, str]) -> None:
    panel.axes.grid(color="#eeeeee")
    panel.axes.set_axisbelow(True)
    names = list(dict.fromkeys(child.task for child in panel.found))
    orders, best = _best_so_far(panel, names)
    x = [panel.x[order] for order in orders]
    if len(names) > MAX_LINES:
        for low, high, color, label in _BANDS if len(x) else ():
            edges = np.nanquantile(best, (low, high), axis=1)
            panel.axes.fill_between(x, edges[0], edges[1], step="post", color=color, label=label)
    else:
        for column, name in enumerate(names if len(x) else ()):
            panel.axes.step(x, best[:, column], where="post", color=colors[name], label=name)
        _draw_points(panel, colors)
    if len(names) > 1 and len(x):
        mean = np.nanmean(best, axis=1)
        label = "mean over tasks with a model"
        panel.axes.step(x, mean, where="post", color=_MEAN, linewidth=2, linestyle="--", label=label)


def _best_so_far(panel: _Panel, names: Sequence[TaskName]) -> tuple[list[int], Floats]:
    """Orders of at most about a thousand children, from the first accepted one on, and the best value
    of each task after each of them: (children, tasks) float64, NaN before a task's first model."""
    column = {name: i for i, name in enumerate(names)}
    state = np.full(len(names), np.nan)
    stride = -(-len(panel.found) // _SAMPLES)
    orders: list[int] = []
    snapshots: list[Floats] = []
    for child in panel.found:
        if child.status is Status.ACCEPTED and child.order in panel.y:
            i = column[child.task]
            state[i] = np.fmax(state[i], panel.y[child.order])
        kept = child.order % stride == 0 or child.order == len(panel.found)
        if kept and not np.isnan(state).all():
            orders.append(child.order)
            snapshots.append(state.copy())
    return orders, np.array(snapshots).reshape(len(orders), len(names))


def _draw_points(panel: _Panel, colors: Mapping[TaskName, str]) -> None:
    for status, filled in ((Status.ACCEPTED, True), (Status.REJECTED, False)):
        shown = [c for c in panel.found if c.status is status and c.order in panel.y]
        edge = [colors[child.task] for child in shown]
        panel.axes.scatter(
            [panel.x[child.order] for child in shown],
            [panel.y[child.order] for child in shown],
            s=16,
            facecolors=edge if filled else "none",
            edgecolors=edge,
            linewidths=0.8,
        )
    failed = [child for child in panel.found if child.status is Status.FAILED]
    panel.axes.scatter(
        [panel.x[child.order] for child in failed],
        [0.02] * len(failed),
        s=18,
        marker="x",
        c=[colors[child.task] for child in failed],
        linewidths=1.0,
        transform=panel.axes.get_xaxis_transform(),
    )


def _draw_legend(figure: Figure, axes: Axes, *, points: bool) -> None:
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        marks = [
            Line2D([], [], linestyle="", marker=marker, markersize=4, color="#808080", mfc=face, label=label)
            for label, marker, face in (_MARKS if points else ())
        ]
        figure.legend(
            handles=[*handles, *marks],
            loc="outside lower center",
            ncols=min(len(handles) + len(marks), 6),
            fontsize=8,
            frameon=False,
        )
    else:
        text = "no child accepted yet"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", color="#606060")


@final
class ProgressChart(AbstractStill):
    """Best accuracies and scores so far, by children trained and by time."""

    name: ClassVar[str] = "progress"
    title: ClassVar[str] = "Search"
    summary: ClassVar[str] = "best accuracy and score so far, by children trained and by wall time"
    caption: ClassVar[str] = (
        "Best of each task so far. Filled points are accepted children, hollow ones were rejected, crosses "
        "failed; with more than ten tasks, bands over tasks take the place of lines and points."
    )

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_progress(runs[0].history, tasks=runs[0].view.tasks)

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        return TidyTable(
            headings=("child", "time", "task", "status", "score", "val_accuracy", "mutations"),
            rows=tuple(
                (c.order, c.time, c.task, c.status, c.score, c.quality, " ".join(c.mutations))
                for c in children(runs[0].history)
            ),
        )
