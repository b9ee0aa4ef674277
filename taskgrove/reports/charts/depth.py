"""Mean µ of cloning layers by depth, with a fitted line (µ2Net+, Figure 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from taskgrove.reports.analyses.depth import Trend, trends, trends_by_seed
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill, Scope
from taskgrove.reports.drawing.look import ACCENT, MAIN, nothing_yet, with_grid

_COLUMNS, _PANEL = 3, (4.2, 3.2)
_LEAST_HEIGHT = 0.04
"""Two steps of µ."""


def draw_depth(found: Sequence[Trend]) -> Figure:
    """A panel for each variant: the mean over models, a band of one standard deviation, and the line.

    Args:
        found: One per variant.
    """
    if not found:
        return nothing_yet("No model's method clones layers with a probability µ.")
    columns = min(_COLUMNS, len(found))
    rows = -(-len(found) // columns)
    wide = 7.0 if columns == 1 else columns * _PANEL[0]
    figure = Figure(figsize=(wide, rows * _PANEL[1] + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, trend in zip(grid.flat, found, strict=False):
        _draw(axes, trend)
    for axes in grid.flat[len(found) :]:
        axes.set_axis_off()
    _spread(grid[0, 0])
    for axes in grid[:, 0]:
        axes.set_ylabel("µ of cloning the layer")
    _draw_legend(figure, grid[0, 0])
    return figure


def _draw(axes: Axes, trend: Trend) -> None:
    x, y = [one.depth for one in trend.depths], [one.mean for one in trend.depths]
    low = [one.mean - (one.std or 0.0) for one in trend.depths]
    high = [one.mean + (one.std or 0.0) for one in trend.depths]
    axes.fill_between(x, low, high, color=MAIN, alpha=0.15, linewidth=0, label="± standard deviation")
    axes.plot(x, y, color=MAIN, marker="o", markersize=3.5, label="mean over models")
    if trend.slope is not None and trend.intercept is not None:
        ends = [x[0], x[-1]]
        fitted = [trend.intercept + trend.slope * end for end in ends]
        axes.plot(ends, fitted, color=ACCENT, linestyle="--", label="fitted line")
    with_grid(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(x[0] - 0.5, x[-1] + 0.5)
    axes.set_xlabel("layer, 0 is next to the input")
    axes.set_title(_title(trend), fontsize=10, loc="left")


def _spread(axes: Axes) -> None:
    """A scale on which rounding cannot be seen."""
    low, high = axes.get_ylim()
    missing = max(_LEAST_HEIGHT - (high - low), 0.0) / 2
    axes.set_ylim(low - missing, high + missing)


def _title(trend: Trend) -> str:
    line = "" if trend.slope is None else f"slope {round(trend.slope, 4) + 0.0:+.4f} per layer"
    return "\n".join(text for text in (trend.variant, line) if text)


def _draw_legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)


@final
class DepthChart(AbstractStill):
    """Which layers are cloned more readily (000, Figure 6)."""

    name: ClassVar[str] = "depth"
    title: ClassVar[str] = "Cloning by depth"
    summary: ClassVar[str] = "probability µ of cloning each layer, by depth, with a fitted line (000, Fig. 6)"
    caption: ClassVar[str] = (
        "The probability with which a child gets its own copy of a layer rather than sharing it, over the "
        "models that have the layer, of all seeds. The band is one standard deviation over models to each "
        "side; the line has the least squared distance to the means, each layer counting once. An upward "
        "slope means that lower layers are shared more."
    )
    scope: ClassVar[Scope] = Scope.BOTH

    def applies(self, runs: Sequence[Run]) -> bool:
        return any(len(trend.depths) > 1 for trend in trends(runs))

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_depth(trends(runs))

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        return TidyTable(
            headings=(
                *("variant", "seed", "depth", "layer", "models", "mean_mu", "std_mu"),
                *("slope", "intercept"),
            ),
            rows=tuple(
                (t.variant, t.seed, d.depth, d.slot, d.count, d.mean, d.std, t.slope, t.intercept)
                for t in trends_by_seed(runs)
                for d in t.depths
            ),
        )
