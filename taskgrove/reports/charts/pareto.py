"""Quality of variants against their size and compute (µ2Net+, Figure 2; muNet, Figures 3 and 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import ClassVar, final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from taskgrove.reports.analyses.comparison import Comparison, gathered
from taskgrove.reports.analyses.pareto import AXES, Curve, Place, curves, frontier, places, tidy
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill, Scope
from taskgrove.reports.drawing.labels import put_labels
from taskgrove.reports.drawing.look import CATEGORIES, GREY, MARKERS, nothing_yet, with_grid
from taskgrove.reports.quantities import human, plural

_WIDE = 8.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""
_LABELS = {
    "params_roots_counted": ("Quality and size", "accounted parameters per task (roots counted)"),
    "flops": ("Quality and compute", "FLOPs per image"),
    "train_flops": ("Quality and cost of the search", "training FLOPs of the run"),
}
_WIDTH, _INCHES_PER_CHARACTER = 15.0, 0.064


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A curve as it looks.

    Attributes:
        curve: What is drawn.
        sign: A letter for several variants, a number for one.
        color, marker: Of its points.
        num_runs: Finished, by variant.
    """

    curve: Curve
    sign: str
    color: str
    marker: str
    num_runs: Mapping[str, int]

    @property
    def legend(self) -> str:
        """Who it is."""
        least, most = min(self.num_runs.values()), max(self.num_runs.values())
        seeds = plural(most, "seed") if least == most else f"{least} to {most} seeds"
        values = ", ".join(f"{value:g}" for value in self.curve.values)
        by = f" · {self.curve.symbol} = {values}" if values else ""
        return f"{self.sign}  {self.curve.label}{by} · {seeds}".replace("$", r"\$")

    def label(self, index: int) -> str:
        """Of a point."""
        return f"{self.sign} {self.curve.values[index]:g}" if self.curve.values else self.sign


def draw_comparison(comparison: Comparison) -> Figure:
    """Mean test accuracy of every variant against size, FLOPs per image and FLOPs of training.

    Bands and whiskers are the standard deviations over seeds. Variants that differ in one number are
    joined, with the number beside each; those without a finished run are left out.
    """
    entries = _entries(comparison)
    if not entries:
        return nothing_yet("No run has finished yet.")
    columns, rows = _legend_size(entries)
    figure = Figure(figsize=(_WIDTH, 5.2 + 0.2 * rows), layout="constrained")
    figure.suptitle(comparison.title.replace("$", r"\$"), fontsize=12)
    panels = [
        (axes, places(comparison, cost))
        for axes, cost in zip(figure.subplots(1, len(AXES), sharey=True), AXES, strict=True)
    ]
    for (axes, where), cost in zip(panels, AXES, strict=True):
        title, label = _LABELS[cost.name]
        _draw(axes, entries, where)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel(label)
    panels[0][0].set_ylabel("mean test accuracy (%)")
    _draw_legend(figure, entries, columns)
    figure.draw_without_rendering()  # settles the axes, so that labels can be placed on the screen
    figure.set_layout_engine("none")
    for axes, where in panels:
        _label(axes, entries, where)
    return figure


def _entries(comparison: Comparison) -> list[_Entry]:
    entries, letters, numbers = list[_Entry](), 0, 0
    for i, curve in enumerate(curves(comparison)):
        letters, numbers = letters + bool(curve.values), numbers + (not curve.values)
        entries.append(
            _Entry(
                curve=curve,
                sign=_letter(letters) if curve.values else str(numbers),
                color=CATEGORIES[i % len(CATEGORIES)],
                marker=MARKERS[i % len(MARKERS)],
                num_runs={name: len(comparison.of(name)) for name in curve.variants},
            )
        )
    return entries


def _letter(number: int) -> str:
    return ascii_uppercase[(number - 1) % 26] * (1 + (number - 1) // 26)


def _draw(axes: Axes, entries: Sequence[_Entry], where: Mapping[str, Place]) -> None:
    with_grid(axes)
    for entry in entries:
        _draw_curve(axes, entry, [where[name] for name in entry.curve.variants if name in where])
    _draw_frontier(axes, where)
    costs = [place.cost for place in where.values() if place.cost]
    if costs and max(costs) > _WIDE * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: human(value)))
    axes.margins(0.08)


def _draw_curve(axes: Axes, entry: _Entry, points: Sequence[Place]) -> None:
    """Points with whiskers, hollow where one seed tells nothing of the spread; a band along a curve."""
    for place in points:
        axes.errorbar(
            [place.cost],
            [100 * place.quality],
            xerr=[place.cost_std or 0.0],
            yerr=[100 * (place.quality_std or 0.0)],
            fmt=entry.marker,
            color=entry.color,
            markerfacecolor="white" if place.quality_std is None else entry.color,
            markersize=7,
            elinewidth=1.0,
            capsize=2,
        )
    if len(points) > 1:
        across, means = [place.cost for place in points], [100 * place.quality for place in points]
        stds = [math.nan if place.quality_std is None else 100 * place.quality_std for place in points]
        low, high = ([m + sign * s for m, s in zip(means, stds, strict=True)] for sign in (-1, 1))
        axes.plot(across, means, color=entry.color, linewidth=1.2)
        axes.fill_between(across, low, high, color=entry.color, alpha=0.15, linewidth=0)


def _draw_frontier(axes: Axes, where: Mapping[str, Place]) -> None:
    """Steps through the means that are not beaten."""
    best = [where[name] for name in frontier(where)]
    if len(where) > 1:
        axes.plot(
            [place.cost for place in best],
            [100 * place.quality for place in best],
            drawstyle="steps-post",
            color=GREY,
            linewidth=1.0,
            linestyle="--",
            zorder=1.5,
        )


def _legend_size(entries: Sequence[_Entry]) -> tuple[int, int]:
    """Columns and rows."""
    longest = max(len(entry.legend) for entry in entries)
    columns = max(1, min(3, int(_WIDTH / (longest * _INCHES_PER_CHARACTER + 0.6))))
    return columns, -(-(len(entries) + 1) // columns)


def _draw_legend(figure: Figure, entries: Sequence[_Entry], columns: int) -> None:
    handles = [
        Line2D(
            [],
            [],
            linestyle="-" if entry.curve.values else "",
            marker=entry.marker,
            color=entry.color,
            markersize=7,
            label=entry.legend,
        )
        for entry in entries
    ]
    if sum(len(entry.curve.variants) for entry in entries) > 1:
        handles.append(Line2D([], [], color=GREY, linestyle="--", label="Pareto frontier of the means"))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=9, frameon=False)


def _label(axes: Axes, entries: Sequence[_Entry], where: Mapping[str, Place]) -> None:
    """Put each point's label beside it, where it hides no point and no other label."""
    labelled = [
        (entry.label(i), (where[name].cost, 100 * where[name].quality), entry.color)
        for entry in entries
        for i, name in enumerate(entry.curve.variants)
        if name in where
    ]
    if len(labelled) > 1:
        put_labels(axes, labelled)


_CAPTION = (
    "Each point is a variant: the mean over its runs of the test accuracy (itself a mean over tasks) against "
    "the means of accounted parameters per task, of FLOPs per image, and of the FLOPs spent on training. "
    "Whiskers and bands are sample standard deviations over seeds; a hollow point has one seed, which tells "
    "nothing of the spread. Variants that differ in one number are joined, with that number at each point. "
    "The dashed steps pass through the variants that no other one beats, as far as the means tell: at less "
    "cost as good, or better at no more cost."
)


@final
class ParetoChart(AbstractStill):
    """Mean and spread of the quality of variants against what they cost (000, Figure 2; 001, Figures 3, 4).

    The papers choose variants by hand; here all that were run are shown, and µ2Net+ and muNet need not
    have been searched at the same values.
    """

    name: ClassVar[str] = "pareto"
    title: ClassVar[str] = "Quality against size and compute"
    summary: ClassVar[str] = (
        "quality of variants against size and compute, mean ± std over seeds (000, Fig. 2)"
    )
    caption: ClassVar[str] = _CAPTION
    scope: ClassVar[Scope] = Scope.RUNS

    def applies(self, runs: Sequence[Run]) -> bool:
        return len({run.variant for run in runs}) > 1

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_comparison(gathered(runs))

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        return tidy(gathered(runs))
