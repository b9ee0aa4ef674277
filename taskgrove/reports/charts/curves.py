"""Validation accuracies along the ancestry of every task's model (muNet, Figure 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, ClassVar, Final, final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from taskgrove.reports.analyses.lineage import Curve, curves
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable, Value
from taskgrove.reports.base import AbstractStill, Scope
from taskgrove.reports.drawing.look import CATEGORIES, GREY, MAIN, nothing_yet, with_grid
from taskgrove.reports.drawing.names import cut_middle


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """How panels are arranged for a number of tasks.

    Attributes:
        tasks: At most.
        columns: Of panels, at most.
        wide, high: Of a panel in inches.
        ticks: Intervals on its axes.
    """

    tasks: float
    columns: int
    wide: float
    high: float
    ticks: int


_SIZES: Final = (
    _Size(tasks=12, columns=4, wide=2.9, high=2.1, ticks=4),
    _Size(tasks=30, columns=6, wide=2.4, high=1.7, ticks=3),
    _Size(tasks=float("inf"), columns=10, wide=1.75, high=1.3, ticks=2),
)
_LEFT, _RIGHT, _BELOW, _ABOVE, _LINE = 0.65, 0.15, 0.75, 0.3, 0.2
"""Margins and the height of a row of the legend in inches, as are the gaps between panels: room for the
numbers of the axes, and for the name above."""
_GAP_X, _GAP_Y = 0.38, 0.48
_LEAST_WIDTH = 6.0
_FONT = 8
_CHARACTER = _FONT * 0.58 / 72
_LEGEND_COLUMNS = 4
_LINES: Final = ("-", "--", ":", "-.")
"""Of further variants when colours repeat."""

_Style = tuple[str, str]
"""Colour and kind of line of a variant."""


def draw_curves(found: Sequence[Curve]) -> Figure:
    """A small panel for each task; lines of a variant have one colour, one line per seed.

    Places are reckoned in inches from numbers of tasks and variants: to fit the panels of a hundred tasks
    to their labels would take long.

    Args:
        found: Of all runs.
    """
    tasks = list(dict.fromkeys(curve.task for curve in found))
    if not tasks:
        return nothing_yet("No task has a model yet.")
    variants = list(dict.fromkeys(curve.variant for curve in found))
    styles = {variant: _style(number, len(variants)) for number, variant in enumerate(variants)}
    size = _size(len(tasks))
    figure = _figure(size, len(tasks), len(variants))
    for number, task in enumerate(tasks):
        axes = figure.add_axes(_place(figure, size, number, len(variants)))
        _draw(axes, [curve for curve in found if curve.task == task], styles)
        _name(axes, task, size)
    _explain(figure, styles)
    return figure


def _size(num_tasks: int) -> _Size:
    """Few panels are as wide as the legend needs."""
    size = next(size for size in _SIZES if num_tasks <= size.tasks)
    columns = min(size.columns, num_tasks)
    least = (_LEAST_WIDTH - _LEFT - _RIGHT + _GAP_X) / columns - _GAP_X
    return replace(size, columns=columns, wide=max(size.wide, least))


def _style(number: int, of: int) -> _Style:
    line = _LINES[number // len(CATEGORIES) % len(_LINES)]
    return (MAIN if of == 1 else CATEGORIES[number % len(CATEGORIES)]), line


def _above(num_variants: int) -> float:
    """Room for the legend of variants, which one alone does not have."""
    return _ABOVE + (_LINE * -(-num_variants // _LEGEND_COLUMNS) if num_variants > 1 else 0.0)


def _figure(size: _Size, num_tasks: int, num_variants: int) -> Figure:
    rows = -(-num_tasks // size.columns)
    wide = _LEFT + size.columns * (size.wide + _GAP_X) - _GAP_X + _RIGHT
    high = _above(num_variants) + rows * (size.high + _GAP_Y) - _GAP_Y + _BELOW
    return Figure(figsize=(wide, high))


def _place(figure: Figure, size: _Size, number: int, num_variants: int) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of a panel in parts of the picture's."""
    wide, high = figure.get_size_inches()
    row, column = divmod(number, size.columns)
    top = _above(num_variants) + row * (size.high + _GAP_Y)
    left = _LEFT + column * (size.wide + _GAP_X)
    return left / wide, 1 - (top + size.high) / high, size.wide / wide, size.high / high


def _draw(axes: Axes, own: Sequence[Curve], styles: Mapping[str, _Style]) -> None:
    for curve in own:
        color, line = styles[curve.variant]
        y = [100 * accuracy for accuracy in curve.accuracies]
        end = len(y)
        axes.plot(range(1, end + 1), y, color=color, linestyle=line, linewidth=0.9)
        last = list(accumulate(len(piece) for piece in curve.pieces))[:-1]
        axes.plot(last, [y[cycle - 1] for cycle in last], ".", color=color, markersize=3.5)
        axes.plot([end], [100 * curve.val], "+", color=color, markersize=7)
        if curve.test is not None:
            axes.plot([end], [100 * curve.test], "o", color=color, markersize=5, markerfacecolor="none")


def _name(axes: Axes, task: str, size: _Size) -> None:
    """The task's name and the numbers on the axes."""
    # A title of given height and labels of given places are not fitted anew in every drawing.
    axes.set_title(cut_middle(task, int(size.wide / _CHARACTER)), fontsize=_FONT, loc="left", y=1.0, pad=3)
    axes.xaxis.set_major_locator(MaxNLocator(size.ticks, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(size.ticks))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_label_coords(0.0, 0.0)
    axes.tick_params(labelsize=_FONT - 1, length=2, pad=2)
    axes.margins(x=0.08, y=0.1)
    with_grid(axes)


def _explain(figure: Figure, styles: Mapping[str, _Style]) -> None:
    wide, high = figure.get_size_inches()
    text: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9, "color": GREY}
    figure.text(0.5, 0.38 / high, "cycles of training and validation", **text)
    figure.text(0.15 / wide, 0.5, "accuracy (%)", rotation=90, **text)
    marks = (
        Line2D([], [], color=GREY, ls="", marker=".", markersize=4, label="a child takes over"),
        Line2D([], [], color=GREY, ls="", marker="+", markersize=7, label="validation, final model"),
        Line2D([], [], color=GREY, ls="", marker="o", markersize=5, mfc="none", label="test, final model"),
    )
    figure.legend(handles=marks, loc="lower center", ncols=len(marks), fontsize=_FONT, frameon=False)
    if len(styles) > 1:
        lines = [Line2D([], [], color=color, ls=line, label=name) for name, (color, line) in styles.items()]
        figure.legend(handles=lines, loc="upper center", ncols=_LEGEND_COLUMNS, fontsize=_FONT, frameon=False)


@final
class CurvesChart(AbstractStill):
    """How the models of all tasks were trained (001, Figure 5)."""

    name: ClassVar[str] = "curves"
    title: ClassVar[str] = "Learning curves"
    summary: ClassVar[str] = "validation accuracy along the ancestry of each task's model (001, Fig. 5)"
    caption: ClassVar[str] = (
        "Validation accuracy after each training cycle of the task's model and of its ancestors that were "
        "trained for the same task, from the root on; a dot marks where a child takes over from its parent, "
        "each at its best cycle. At the end, + is the model's validation and o its test accuracy. Every seed "
        "has a line. Short lines need not be cheap: children that were rejected are not in them. Where + is "
        "not at the end of the line, other tasks' training has changed layers that the model shares."
    )
    scope: ClassVar[Scope] = Scope.BOTH

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_curves(curves(runs))

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        return TidyTable(
            headings=("variant", "seed", "task", "cycle", "ancestor", "val_accuracy", "final_test_accuracy"),
            rows=tuple(row for curve in curves(runs) for row in _lines(curve)),
        )


def _lines(curve: Curve) -> list[tuple[Value, ...]]:
    """One per cycle; ancestors are numbered from the root on, the last one is the model itself."""
    cycles = [(number, value) for number, piece in enumerate(curve.pieces, 1) for value in piece]
    return [
        (curve.variant, curve.seed, curve.task, cycle, number, value, curve.test)
        for cycle, (number, value) in enumerate(cycles, 1)
    ]
