"""How the whole system changes from task iteration to task iteration (µ2Net+, Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from taskgrove.domain.records import AddMetrics
from taskgrove.reports.analyses.metrics import ALL_TASKS, FIRST_TASKS, system_metrics
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill
from taskgrove.reports.drawing.look import GREY, MAIN, nothing_yet, with_grid
from taskgrove.reports.quantities import percent

_MOST_POINTS = 30
"""With more task iterations than this, points would hide the line."""
_NAME_LENGTH = 18
_CHARACTER = 0.0075
"""Width of a character of an experiment's name, in widths of a chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One line: the metric, and how it is told from the other when a panel has two."""

    metric: str
    label: str = ""
    second: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """What one of the charts shows."""

    title: str
    lines: tuple[_Line, ...]
    fraction: bool = False


_PANELS = (
    _Panel(
        title="mean test accuracy (%)",
        lines=(
            _Line(metric=ALL_TASKS, label="all tasks with a model"),
            _Line(metric=FIRST_TASKS, label="tasks of the first experiment", second=True),
        ),
        fraction=True,
    ),
    _Panel(
        title="accounted parameters per task",
        lines=(
            _Line(metric="params_per_task", label="roots are no sharers"),
            _Line(metric="params_per_task_roots_counted", label="roots are sharers", second=True),
        ),
    ),
    _Panel(title="mean FLOPs per image", lines=(_Line(metric="mean_flops"),)),
)


def draw_metrics(found: Sequence[AddMetrics], title: str = "") -> Figure:
    """Mean test accuracy, parameters per task and FLOPs after every task iteration of the system.

    A dashed line marks where another experiment takes over. Means are over the tasks that have a model by
    then; the paper's accuracy is that of the first tasks alone, its size and compute are those of all.

    Args:
        found: In the order of the log, over all experiments; see `system_metrics`.
        title: Above the picture.
    """
    if not found:
        return nothing_yet("No task iteration has been measured yet.")
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    figure.suptitle(title, fontsize=12)
    grid = figure.subplots(len(_PANELS), 1, sharex=True)
    for axes, panel in zip(grid, _PANELS, strict=True):
        _draw(axes, panel, found)
    _name_experiments(grid[0], found)
    grid[-1].set_xlabel("task iterations of the system")
    grid[-1].set_xlim(0.5, len(found) + 0.5)
    grid[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def _draw(axes: Axes, panel: _Panel, found: Sequence[AddMetrics]) -> None:
    marker = "o" if len(found) <= _MOST_POINTS else ""
    lines = _told_apart(panel.lines, found)
    for line in lines:
        known = [(x, m.values[line.metric]) for x, m in enumerate(found, 1) if line.metric in m.values]
        axes.plot(
            [x for x, _ in known],
            [y for _, y in known],
            linestyle="--" if line.second else "-",
            marker=marker,
            markersize=4,
            markerfacecolor="white" if line.second else MAIN,
            color=MAIN,
            label=line.label,
        )
    for start in _starts(found)[1:]:
        axes.axvline(start - 0.5, color=GREY, linestyle="--", linewidth=1)
    as_percent = FuncFormatter(lambda value, _: percent(value))
    # As many digits as tell the ticks apart, which costs that hardly change need.
    axes.yaxis.set_major_formatter(as_percent if panel.fraction else EngFormatter())
    axes.set_title(panel.title, fontsize=10, loc="left")
    with_grid(axes)
    if len(lines) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, fontsize=8, frameon=False)


def _told_apart(lines: Sequence[_Line], found: Sequence[AddMetrics]) -> Sequence[_Line]:
    """Without the second line where it is nowhere known to differ from the first."""
    first, *others = lines
    differs = (
        line
        for line in others
        if any(line.metric in m.values and m.values[line.metric] != m.values.get(first.metric) for m in found)
    )
    return (first, *differs)


def _starts(found: Sequence[AddMetrics]) -> list[int]:
    """Where an experiment begins or goes on: positions from 1."""
    names = [metrics.experiment for metrics in found]
    return [x for x, name in enumerate(names, 1) if x == 1 or name != names[x - 2]]


def _name_experiments(axes: Axes, found: Sequence[AddMetrics]) -> None:
    """Write experiments' names where they begin, above the uppermost chart, as far as there is room."""
    starts = _starts(found)
    # Segments are called `<experiment>.<segment>`; what all begin with tells nothing.
    groups = {found[start - 1].experiment.rpartition(".")[0] for start in starts}
    common = f"{groups.pop()}." if len(groups) == 1 and len(starts) > 1 else ""
    free = 0.0
    for start in starts:
        name = found[start - 1].experiment.removeprefix(common)
        text = name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"
        if start < free:
            continue
        free = start + (len(text) + 1) * _CHARACTER * len(found)
        axes.annotate(
            text,
            (start - 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, 18),
            textcoords="offset points",
            fontsize=8,
            color=GREY,
        )


@final
class MetricsChart(AbstractStill):
    """The system after every task iteration (000, Figure 3)."""

    name: ClassVar[str] = "metrics"
    title: ClassVar[str] = "The system over time"
    summary: ClassVar[str] = "test accuracy, size and compute after every task iteration (000, Fig. 3)"
    caption: ClassVar[str] = (
        "After each task iteration, over the tasks that have a model by then. Where later experiments have "
        "brought more tasks, a second line shows the test accuracy of the first experiment's tasks alone, "
        "so that what the others have changed for them can be seen. A vertical line marks where another "
        "experiment takes over."
    )

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_metrics(system_metrics(runs[0].history))

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        found = enumerate(system_metrics(runs[0].history), 1)
        return TidyTable(
            headings=("step", "experiment", "task", "iteration", "metric", "value"),
            rows=tuple(
                (step, one.experiment, one.task, one.iteration, name, value)
                for step, one in found
                for name, value in one.values.items()
            ),
        )
