"""Quality of variants against their size and compute (the axes of muNet, Figure 1, and µ2Net+, Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from taskgrove.reports.analyses.comparison import COSTS, MEASURES, Comparison, Measure, Spread, spread
from taskgrove.reports.drawing.labels import put_labels
from taskgrove.reports.quantities import human

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9")
"""Of Okabe and Ito (2008), told apart by colour-blind people; their yellow is too faint on white."""
MARKERS = "os^Dv"
"""Their number has no divisor in common with that of the colours: 35 pairs before one repeats."""
_WIDE = 8.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""
_BY_NAME = {measure.name: measure for measure in (*MEASURES, *COSTS)}
_PANELS = (
    ("params_roots_counted", "accounted parameters per task (roots counted)"),
    ("flops", "FLOPs per image"),
    ("train_flops", "training FLOPs of the run"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A variant in one panel."""

    number: int
    x: Spread
    y: Spread

    @property
    def color(self) -> str:
        return COLORS[(self.number - 1) % len(COLORS)]

    @property
    def marker(self) -> str:
        return MARKERS[(self.number - 1) % len(MARKERS)]


def draw_comparison(comparison: Comparison) -> Figure:
    """Mean test accuracy of every variant against size, FLOPs per image and FLOPs of training.

    Whiskers are the standard deviations over seeds; numbers beside the points are those of the legend.
    Variants without a finished run are left out.
    """
    shown = [name for name in comparison.variants if comparison.of(name)]
    figure = Figure(figsize=(15, 5.2 + 0.2 * len(shown)) if shown else (6, 1.5), layout="constrained")
    figure.suptitle(comparison.title, fontsize=12)
    if not shown:
        figure.text(0.5, 0.4, "No run has finished yet.", ha="center", color="#606060")
        return figure
    row = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (name, label) in zip(row, _PANELS, strict=True):
        points = _points(comparison, shown, _BY_NAME[name])
        _draw(axes, points)
        axes.set_xlabel(label)
    row[0].set_ylabel("mean test accuracy (%)")
    _draw_legend(figure, shown)
    figure.draw_without_rendering()  # settles the axes, so that numbers can be placed on the screen
    figure.set_layout_engine("none")
    for axes, (name, _) in zip(row, _PANELS, strict=True):
        _number(axes, _points(comparison, shown, _BY_NAME[name]))
    return figure


def _points(comparison: Comparison, shown: Sequence[str], measure: Measure) -> list[_Point]:
    quality = _BY_NAME["test_accuracy"]
    both = [(spread(comparison.of(name), measure), spread(comparison.of(name), quality)) for name in shown]
    return [
        _Point(number=number, x=x, y=y)
        for number, (x, y) in enumerate(both, start=1)
        if x.mean is not None and y.mean is not None
    ]


def _draw(axes: Axes, points: Sequence[_Point]) -> None:
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    for point in points:
        axes.errorbar(
            [point.x.mean or 0.0],
            [100 * (point.y.mean or 0.0)],
            xerr=[point.x.std or 0.0],
            yerr=[100 * (point.y.std or 0.0)],
            fmt=point.marker,
            color=point.color,
            markersize=7,
            elinewidth=1.0,
            capsize=2,
        )
    values = [point.x.mean for point in points if point.x.mean]
    if values and max(values) > _WIDE * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: human(value)))
    axes.margins(0.08)


def _draw_legend(figure: Figure, shown: Sequence[str]) -> None:
    handles = []
    for number, name in enumerate(shown, start=1):
        point = _Point(number=number, x=Spread(mean=None, std=None), y=Spread(mean=None, std=None))
        label = f"{number}  {name.replace('$', chr(92) + '$')}"
        handles.append(
            Line2D([], [], linestyle="", marker=point.marker, color=point.color, markersize=7, label=label)
        )
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=max(1, min(3, -(-len(shown) // 3))),
        fontsize=9,
        frameon=False,
    )


def _number(axes: Axes, points: Sequence[_Point]) -> None:
    """Put each point's number beside it, where it hides no point and no other number."""
    if len(points) < 2:
        return
    means = [(point.x.mean or 0.0, 100 * (point.y.mean or 0.0)) for point in points]
    numbers = [str(point.number) for point in points]
    put_labels(axes, list(zip(numbers, means, [point.color for point in points], strict=True)))
