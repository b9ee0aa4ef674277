"""Draws the multitask graph: triangles below, circles by row, rectangles with accuracies on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Outline

from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill
from taskgrove.reports.drawing.colors import ink_on
from taskgrove.reports.drawing.graph import MultitaskGraph, Node, NodeKind, Wire, multitask_graph

_POINT = 1 / 72
_LEAST_WIDTH = 5.0
_ROW_FONT = 8
_CHARACTER = 0.62
"""Width of a character of the default font, in font sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Style:
    """Sizes in inches, fonts in points; all follow from the number of tasks."""

    unit: float
    row: float
    radius: float
    name_font: float
    label_font: float
    head_font: float
    line: float
    upright: bool
    left: float
    bottom: float

    def x(self, units: float) -> float:
        """Inches from the left edge of the figure."""
        return self.left + units * self.unit

    def y(self, row: float) -> float:
        """Inches from the lower edge of the figure."""
        return self.bottom + row * self.row


def draw_graph(view: SystemView, title: str = "") -> Figure:
    """The multitask graph of a system as a figure.

    Circles are components, coloured by the task that trained them last (grey: none has), with the
    number of tasks they have been trained on in brackets. Lines lead from each task through its
    model's components to its head, which shows the validation accuracy in percent.

    Args:
        view: The system; one without any model gives a figure that says so.
        title: Above the picture.
    """
    graph = multitask_graph(view)
    if not graph.nodes:
        return _empty(title)
    style = _style(graph)
    width = style.x(graph.width) + 0.3
    height = style.y(len(graph.row_names) - 1) + (0.85 if title else 0.45)
    figure, axes = _blank(width, height)
    _draw_rows(axes, graph, style)
    for wire in graph.wires:
        _draw_wire(axes, wire, style)
    for node in graph.nodes:
        _DRAWERS[node.kind](axes, node, style)
    if title:
        font = min(12.0, width / _width(len(title), 1.0))
        axes.text(width / 2, height - 0.3, title, ha="center", va="center", fontsize=font)
    return figure


def _style(graph: MultitaskGraph) -> _Style:
    num_tasks = len(graph.wires)
    unit = min(max((8 / num_tasks) ** 0.5, 0.28), 1.0)
    radius = min(0.16, 0.36 * unit)
    name_font = 7 + 3 * unit
    name = _width(max(_lengths(graph, NodeKind.TASK)), name_font)
    upright = name > 0.92 * unit
    row_name = _width(max(map(len, graph.row_names)), _ROW_FONT)
    return _Style(
        unit=unit,
        row=min(0.7 + 0.002 * num_tasks, 1.1),
        radius=radius,
        name_font=name_font,
        label_font=min(7.0, 0.36 * 2 * radius / _POINT),
        head_font=min(9.0, 0.85 * unit / _width(max(_lengths(graph, NodeKind.HEAD)), 1.0)),
        line=0.7 + 0.6 * unit,
        upright=upright,
        left=max(0.3 + row_name, (_LEAST_WIDTH - graph.width * unit) / 2),
        bottom=0.45 + (name if upright else name_font * _POINT),
    )


def _lengths(graph: MultitaskGraph, kind: NodeKind) -> list[int]:
    return [len(node.label) for node in graph.nodes if node.kind is kind]


def _width(num_characters: int, font: float) -> float:
    """Of a text in inches."""
    return num_characters * font * _CHARACTER * _POINT


def _blank(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure with axes over the whole of it, whose data units are inches."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    return figure, axes


def _empty(title: str) -> Figure:
    figure, axes = _blank(_LEAST_WIDTH, 1.5)
    axes.text(2.5, 1.0, title, ha="center", fontsize=12)
    axes.text(2.5, 0.5, "No task has a model yet.", ha="center", fontsize=10, color="#606060")
    return figure


def _draw_rows(axes: Axes, graph: MultitaskGraph, style: _Style) -> None:
    for row, name in enumerate(graph.row_names):
        y = style.y(row)
        axes.plot([style.left, style.x(graph.width)], [y, y], color="#eeeeee", linewidth=0.8, zorder=0)
        axes.text(style.left - 0.1, y, name, fontsize=_ROW_FONT, va="center", ha="right", color="#606060")


def _draw_wire(axes: Axes, wire: Wire, style: _Style) -> None:
    points, codes = [], []
    for curve in wire.curves:
        points += [(style.x(x), style.y(row)) for x, row in curve]
        codes += [Outline.MOVETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4]
    axes.add_artist(
        PathPatch(
            Outline(points, codes),
            facecolor="none",
            edgecolor=wire.color,
            linewidth=style.line,
            zorder=1,
            gid=f"wire-{wire.task}",
        )
    )


def _draw_task(axes: Axes, node: Node, style: _Style) -> None:
    x, y, r = style.x(node.x), style.y(node.row), 1.15 * style.radius
    corners = [(x - r, y - r), (x + r, y - r), (x, y + r)]
    axes.add_artist(Polygon(corners, facecolor=node.color, edgecolor="#303030", linewidth=0.6, zorder=3))
    axes.text(
        x,
        y - r - 0.06,
        node.label,
        rotation=90 if style.upright else 0,
        ha="center",
        va="top",
        fontsize=style.name_font,
        zorder=4,
    )


def _draw_component(axes: Axes, node: Node, style: _Style) -> None:
    x, y, r = style.x(node.x), style.y(node.row), style.radius
    axes.add_artist(Circle((x, y), r, facecolor=node.color, edgecolor="#303030", linewidth=0.6, zorder=3))
    axes.text(
        x,
        y,
        node.label,
        fontsize=style.label_font,
        ha="center",
        va="center_baseline",
        color=ink_on(node.color),
        zorder=4,
    )


def _draw_head(axes: Axes, node: Node, style: _Style) -> None:
    x, y = style.x(node.x), style.y(node.row)
    width = max(_width(len(node.label), style.head_font) + 0.03, 0.25)
    height = 1.7 * style.head_font * _POINT
    axes.add_artist(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.03",
            facecolor=node.color,
            edgecolor="#303030",
            linewidth=0.6,
            zorder=3,
        )
    )
    axes.text(
        x,
        y,
        node.label,
        fontsize=style.head_font,
        ha="center",
        va="center_baseline",
        color=ink_on(node.color),
        zorder=4,
    )


_DRAWERS = {
    NodeKind.TASK: _draw_task,
    NodeKind.COMPONENT: _draw_component,
    NodeKind.HEAD: _draw_head,
}


@final
class GraphChart(AbstractStill):
    """The multitask graph (001, Figures 2 and 9; 000, Figure 4)."""

    name: ClassVar[str] = "graph"
    title: ClassVar[str] = "Multitask graph"
    summary: ClassVar[str] = "which layers each task's model is made of, shared ones once (000, Fig. 4)"
    caption: ClassVar[str] = (
        "Each task enters at the bottom (triangle) and follows the line of its colour through its model's "
        "components (circles) to its head (rectangle, validation accuracy in percent). A component has the "
        "colour of the task that trained it last, grey if it still carries a root's parameters; (n) is the "
        "number of tasks it has been trained on. Final norms are not shown: they are cloned with the head."
    )

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_graph(runs[0].view)

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        view = runs[0].view
        found = [(task, view.best(task)) for task in view.tasks]
        return TidyTable(
            headings=("task", "slot", "kind", "component", "params", "users", "last_task", "trained_on"),
            rows=tuple(
                (
                    *(task, part.slot, part.kind, part.id, part.num_params, len(view.users_of(part.id))),
                    *(part.last_task, len(part.cycles)),
                )
                for task, model in found
                if model is not None
                for part in model.components
            ),
        )
