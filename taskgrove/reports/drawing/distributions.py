"""Draws many small distributions: bars for a few variants, shades where bars would be too thin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from taskgrove.reports.drawing.look import CATEGORIES, GREY, MAIN, nothing_yet, with_grid
from taskgrove.reports.drawing.names import cut_middle

_MOST_BARS = 4
"""With more variants than this, each is a row of shades."""
_SHADES = LinearSegmentedColormap.from_list("white to dark", ["#ffffff", "#9db6d6", "#30507c", "#10203c"])
_LEAST_VALUES = 4
"""Room for so many, so that the bars of fewer are no broader."""
_COLUMNS, _PANEL = 5, (2.5, 1.75)
_FONT = 7
_CHARACTER = (_FONT + 1) * 0.6 / 72
"""Width of a character of the larger texts in inches, as are the sizes of panels."""
_NAME_LENGTH = 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What one panel shows.

    Attributes:
        title: What is distributed.
        ticks: Names of the values in their order; "" for one that needs no name.
        shares: By variant, in [0, 1], one per value; a variant may be absent.
    """

    title: str
    ticks: tuple[str, ...]
    shares: Mapping[str, Sequence[float]]


def draw_distributions(
    panels: Sequence[Distribution],
    variants: Sequence[str],
    *,
    across: str,
    up: str,
    foot: str = "",
    nothing: str,
) -> Figure:
    """A panel for each distribution, with the variants side by side.

    Args:
        panels: From left to right, then down.
        variants: In order; their labels mean nothing when there is one.
        across, up: What values and shares are.
        foot: Below the panels.
        nothing: Said when there are no panels.
    """
    if not panels:
        return nothing_yet(nothing)
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    shaded = len(variants) > _MOST_BARS
    high = max(_PANEL[1], 0.9 + 0.14 * len(variants) if shaded else 0.0)
    size = (max(columns * _PANEL[0], 6.5) + (1.5 if shaded else 0.5), rows * high + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    top = _top(panels)
    for axes, panel in zip(grid.flat, panels, strict=False):
        (_draw_shades if shaded else _draw_bars)(axes, panel, variants, top)
        axes.set_title(panel.title, fontsize=8.5, loc="left")
        _name_values(axes, panel)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    _explain(figure, variants, across, up, foot, top if shaded else None)
    return figure


def _top(panels: Sequence[Distribution]) -> float:
    """Of the scale of shares: the next ten percent above the largest one."""
    largest = max(share for panel in panels for shares in panel.shares.values() for share in shares)
    return min(math.ceil(10 * largest + 0.1) / 10, 1.0)


def _draw_bars(axes: Axes, panel: Distribution, variants: Sequence[str], top: float) -> None:
    width = 0.84 / len(variants)
    x = np.arange(len(panel.ticks))
    for number, variant in enumerate(variants):
        if variant in panel.shares:
            offset = (number - (len(variants) - 1) / 2) * width
            axes.bar(x + offset, panel.shares[variant], width, color=_color(number, len(variants)))
    with_grid(axes)
    axes.xaxis.grid(visible=False)
    side = 0.5 + max(_LEAST_VALUES - len(x), 0) / 2
    axes.set_xlim(-side, len(x) - 1 + side)
    axes.set_ylim(0, top)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def _draw_shades(axes: Axes, panel: Distribution, variants: Sequence[str], top: float) -> None:
    nothing = [np.nan] * len(panel.ticks)
    values = np.array([panel.shares.get(variant, nothing) for variant in variants], dtype=np.float64)
    axes.set_facecolor("#f4f4f4")
    axes.imshow(values, cmap=_SHADES, norm=Normalize(0, top), aspect="auto", interpolation="nearest")
    axes.hlines(np.arange(len(variants) + 1) - 0.5, -0.5, len(panel.ticks) - 0.5, colors="#e4e4e4", lw=0.5)
    axes.set_yticks(range(len(variants)), [cut_middle(variant, _NAME_LENGTH) for variant in variants])


def _color(number: int, of: int) -> str:
    return MAIN if of == 1 else CATEGORIES[number]


def _name_values(axes: Axes, panel: Distribution) -> None:
    """Upright where they would meet each other."""
    named = [(at, text) for at, text in enumerate(panel.ticks) if text]
    gap = min((b - a for (a, _), (b, _) in pairwise(named)), default=len(panel.ticks))
    low, high = axes.get_xlim()
    room = _PANEL[0] * 0.85 * gap / (high - low)
    upright = max(len(text) for _, text in named) * _CHARACTER > 0.85 * room
    axes.set_xticks([at for at, _ in named], [text for _, text in named], rotation=90 if upright else 0)
    axes.tick_params(labelsize=_FONT, length=2)


def _explain(
    figure: Figure, variants: Sequence[str], across: str, up: str, foot: str, shades_to: float | None
) -> None:
    length = int(0.9 * figure.get_size_inches()[0] / _CHARACTER)
    below = "\n".join(fill(text, length) for text in (across, foot) if text)
    figure.supxlabel(below, fontsize=_FONT + 1, color=GREY)
    if shades_to is not None:
        bar = figure.colorbar(
            ScalarMappable(norm=Normalize(0, shades_to), cmap=_SHADES), ax=figure.axes, shrink=0.4, aspect=30
        )
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        bar.ax.tick_params(labelsize=_FONT)
        bar.set_label(up, fontsize=8)
        return
    figure.supylabel(up, fontsize=8, color=GREY)
    if len(variants) > 1:
        marks = [Patch(color=_color(i, len(variants)), label=name) for i, name in enumerate(variants)]
        figure.legend(handles=marks, loc="outside upper left", ncols=4, fontsize=8, frameon=False)
