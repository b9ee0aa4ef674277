"""The knowledge-flow graph: whose training went into whose model (muNet, Figures 6 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, degrees, hypot, pi, sin
from typing import ClassVar, final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.knowledge import HEADINGS, flow_matrix, flow_rows, knowledge_flow
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill
from taskgrove.reports.drawing.circle import order_around
from taskgrove.reports.drawing.colors import ROOT_COLOR, task_colors
from taskgrove.reports.drawing.look import GREY, nothing_yet

Point = tuple[float, float]
Floats = NDArray[np.float64]

_FEW = 16
"""Tasks whose names are written level; those of more point away from the circle."""
_FEW_EDGES, _MANY_EDGES = 8, 3
"""Of a task, at most, on average."""
_THRESHOLDS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
_LEVEL = 0.05
"""Names are centred where the cosine of their angle is less."""
_CHARACTER = 0.62 / 72
"""Width of a character of the default font in inches, per point."""
_SIDE = 0.1
"""How far edges keep from those in the other direction, in lengths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Style:
    """Sizes in inches, fonts and lines in points.

    Attributes:
        radius: Of the circle that the tasks stand on.
        node, loop: Radii of a task and of its loop.
        margin: From the circle to the edge of the picture.
        font: Of names.
        widest: Line of all of a model's training.
        level: Whether names are written level.
    """

    radius: float
    node: float
    loop: float
    margin: float
    font: float
    widest: float
    level: bool

    @property
    def half(self) -> float:
        """Of the picture's width."""
        return self.radius + self.margin


def draw_knowledge(view: SystemView) -> Figure:
    """Tasks on a circle, and an arrow to each from every task that its model's parameters were trained on.

    Widths are fractions of the training cycles. Of a large system only the widest arrows are drawn, about
    three per task; the picture says which.
    """
    names, parts = flow_matrix(knowledge_flow(view))
    if not names:
        return nothing_yet("No task has a model yet.")
    order = order_around(parts)
    parts = parts[np.ix_(order, order)]
    labels = [
        f"{names[index]}  {100 * own:.0f} %" for index, own in zip(order, parts.diagonal(), strict=True)
    ]
    colors = task_colors(view.tasks)
    inks = [colors.get(names[index], ROOT_COLOR) for index in order]
    style = _style(labels)
    figure, axes = _blank(style)
    least = _threshold(parts)
    _draw_edges(axes, parts, inks, style, least)
    for place, (label, ink) in enumerate(zip(labels, inks, strict=True)):
        _draw_task(axes, _angle(place, len(labels)), label, ink, style, float(parts[place, place]))
    _draw_key(axes, parts, style, least)
    return figure


def _style(labels: Sequence[str]) -> _Style:
    few = len(labels) <= _FEW
    font = 9.0 if few else 7.0
    node, loop = (0.14, 0.16) if few else (0.07, 0.08)
    return _Style(
        radius=max(1.7 if few else 2.5, 0.22 * len(labels) / (2 * pi)),
        node=node,
        loop=loop,
        margin=node + 2 * loop + max(map(len, labels)) * font * _CHARACTER + 0.3,
        font=font,
        widest=9.0 if few else 5.0,
        level=few,
    )


def _blank(style: _Style) -> tuple[Figure, Axes]:
    """A figure with axes over the whole of it, whose data units are inches from the centre of the circle."""
    below, above = (
        (style.radius + 1.25, style.radius + 0.8) if style.level else (style.half + 0.5, style.half)
    )
    figure = Figure(figsize=(2 * style.half, below + above))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-style.half, style.half)
    axes.set_ylim(-below, above)
    axes.set_axis_off()
    return figure, axes


def _angle(place: int, num_tasks: int) -> float:
    """Clockwise from the top."""
    return pi / 2 - 2 * pi * place / num_tasks


def _threshold(parts: Floats) -> float:
    """The part up to which edges are left out: a round number that leaves a readable number of them."""
    edges = parts[~np.eye(len(parts), dtype=bool)]
    most = len(parts) * (_FEW_EDGES if len(parts) <= _FEW else _MANY_EDGES)
    return next((least for least in _THRESHOLDS if int((edges > least).sum()) <= most), _THRESHOLDS[-1])


def _draw_edges(axes: Axes, parts: Floats, inks: Sequence[str], style: _Style, least: float) -> None:
    """The widest first, so that thin ones lie on top."""
    pairs = [(target, source) for target, source in np.argwhere(parts > least).tolist() if target != source]
    for target, source in sorted(pairs, key=lambda pair: -float(parts[pair])):
        ends = [_angle(place, len(parts)) for place in (source, target)]
        _draw_edge(axes, ends[0], ends[1], inks[source], style.widest * float(parts[target, source]), style)


def _draw_edge(axes: Axes, start: float, end: float, ink: str, width: float, style: _Style) -> None:
    """A curve inside the circle, from node to node, to the left of the one in the other direction."""
    (x0, y0), (x1, y1) = ((style.radius * cos(angle), style.radius * sin(angle)) for angle in (start, end))
    inwards = 0.85 - 0.4 * hypot(x1 - x0, y1 - y0) / (2 * style.radius)
    bend = inwards * (x0 + x1) / 2 + _SIDE * (y0 - y1), inwards * (y0 + y1) / 2 + _SIDE * (x1 - x0)
    path = [_towards((x0, y0), bend, style.node), bend, _towards((x1, y1), bend, style.node)]
    axes.add_artist(
        FancyArrowPatch(
            path=Outline(path, [Outline.MOVETO, Outline.CURVE3, Outline.CURVE3]),
            arrowstyle="-|>",
            mutation_scale=4 + 1.4 * width,
            linewidth=max(width, 0.4),
            color=ink,
            alpha=0.85,
            capstyle="butt",
            joinstyle="miter",
            gid="edge",
        )
    )


def _towards(start: Point, end: Point, distance: float) -> Point:
    dx, dy = end[0] - start[0], end[1] - start[1]
    part = distance / max(hypot(dx, dy), distance)
    return start[0] + part * dx, start[1] + part * dy


def _draw_task(axes: Axes, angle: float, label: str, ink: str, style: _Style, own: float) -> None:
    """A node, a loop outside of it as wide as what the task trained itself, and its name."""

    def at(distance: float) -> Point:
        return (style.radius + distance) * cos(angle), (style.radius + distance) * sin(angle)

    if own:
        width = max(style.widest * own, 0.4)
        loop = Circle(
            at(style.node + 0.8 * style.loop), style.loop, fill=False, edgecolor=ink, linewidth=width
        )
        axes.add_artist(loop)
    axes.add_artist(
        Circle(at(0.0), style.node, facecolor=ink, edgecolor="#303030", linewidth=0.8, zorder=3, gid="task")
    )
    x, y = at(style.node + 2 * style.loop + 0.08)
    left = cos(angle) < -_LEVEL
    upright = style.level and abs(cos(angle)) <= _LEVEL
    axes.text(
        x,
        y,
        label,
        fontsize=style.font,
        rotation=0 if style.level else degrees(angle) - (180 if left else 0),
        rotation_mode="anchor",
        ha="center" if upright else "right" if left else "left",
        va=("bottom" if sin(angle) > 0 else "top") if upright else "center",
    )


def _draw_key(axes: Axes, parts: Floats, style: _Style, least: float) -> None:
    """What widths mean, and how much is not shown."""
    samples = [
        Line2D([], [], color=GREY, linewidth=style.widest * part, label=f"{100 * part:.0f} %")
        for part in (0.1, 0.25, 0.5, 1.0)
    ]
    told = "fraction of a model's training cycles"
    if least:
        others = parts[~np.eye(len(parts), dtype=bool)]
        hidden = float(others[others <= least].sum() / max(parts.sum(), 1.0))
        told += f"; arrows up to {100 * least:.0f} % are left out ({100 * hidden:.1f} % of all training)"
    axes.legend(
        handles=samples, title=told, loc="lower center", ncols=4, fontsize=8, title_fontsize=8, frameon=False
    )


@final
class KnowledgeChart(AbstractStill):
    """The knowledge-flow graph (001, Figures 6 and 7)."""

    name: ClassVar[str] = "knowledge"
    title: ClassVar[str] = "Knowledge flow"
    summary: ClassVar[str] = "which tasks trained the parameters of each task's model (001, Fig. 6, 7)"
    caption: ClassVar[str] = (
        "An arrow leads from a task to each task whose model has parameters that were trained on it, in the "
        "colour of the task that it starts from. Its width is the fraction of the training cycles of the "
        "model's parameters that was performed there. Loops, and the numbers after the names, are what a "
        "model was trained on its own task. Tasks that exchange much stand together. What a root was "
        "pretrained on does not count."
    )

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_knowledge(runs[0].view)

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        return TidyTable(headings=HEADINGS, rows=tuple(flow_rows(knowledge_flow(runs[0].view))))
