"""Gain against parameters, with the Pareto front, and against δ, as in 004, §4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from taskgrove.reports.drawing.labels import put_labels
from taskgrove.reports.quantities import human

_COLORS = colormaps["viridis"]
_UNKNOWN = "#b4b4b4"
_LINE = "#d55e00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A trial.

    Attributes:
        label: Its number.
        params: Distinct parameters.
        gain: In percent.
        delta: Mean over tasks; None when no task had a choice.
        front: Whether it is on the Pareto front.
        feasible: Whether it is small enough.
    """

    label: str
    params: int
    gain: float
    delta: float | None
    front: bool
    feasible: bool

    @property
    def color(self) -> str | tuple[float, float, float, float]:
        """Of its δ."""
        return _UNKNOWN if self.delta is None else _COLORS(self.delta)


def draw_search(title: str, dots: Sequence[Dot]) -> Figure:
    """Both panels; numbers are those of the trials on the front, hollow points are too large."""
    figure = Figure(figsize=(12, 5) if dots else (6, 1.5), layout="constrained")
    figure.suptitle(title, fontsize=12)
    if not dots:
        figure.text(0.5, 0.4, "No trial has finished yet.", ha="center", color="#606060")
        return figure
    left, right = figure.subplots(1, 2, sharey=True)
    known = [dot for dot in dots if dot.delta is not None]
    _draw(left, dots, [dot.params for dot in dots])
    _draw(right, known, [dot.delta or 0.0 for dot in known])
    _draw_front(left, [dot for dot in dots if dot.front])
    left.set_xlabel("distinct parameters of all tasks' models")
    left.set_ylabel("multi-task gain (%)")
    left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: human(value)))
    right.set_xlabel("grow coefficient δ (mean over tasks)")
    right.set_xlim(-0.05, 1.05)
    figure.colorbar(ScalarMappable(Normalize(0.0, 1.0), _COLORS), ax=[left, right], label="δ", pad=0.01)
    figure.draw_without_rendering()  # settles the axes, so that labels can be placed on the screen
    figure.set_layout_engine("none")
    _label(left, dots)
    return figure


def _draw(axes: Axes, dots: Sequence[Dot], x: Sequence[float]) -> None:
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    axes.axhline(0.0, color="#909090", linewidth=0.8)
    axes.margins(0.08)
    for dot, at in zip(dots, x, strict=True):
        axes.plot(
            [at],
            [dot.gain],
            marker="o",
            markersize=7,
            color=dot.color,
            markerfacecolor=dot.color if dot.feasible else "white",
            markeredgecolor=_LINE if dot.front else dot.color,
            markeredgewidth=1.6 if dot.front or not dot.feasible else 0.5,
            zorder=3 if dot.front else 2,
        )


def _draw_front(axes: Axes, front: Sequence[Dot]) -> None:
    """The most gain that can be had with so many parameters."""
    ordered = sorted(front, key=lambda dot: dot.params)
    x, y = [dot.params for dot in ordered], [dot.gain for dot in ordered]
    axes.step(x, y, where="post", color=_LINE, linewidth=1.2, zorder=1, label="Pareto front")
    if front:
        axes.legend(loc="lower right", frameon=False, fontsize=9)


def _label(axes: Axes, dots: Sequence[Dot]) -> None:
    labelled = [(dot.label, (float(dot.params), dot.gain), _LINE) for dot in dots if dot.front]
    others = [(float(dot.params), dot.gain) for dot in dots if not dot.front]
    put_labels(axes, labelled, others)
