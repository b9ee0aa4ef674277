"""The multitask graph of a system (muNet, Figures 2 and 9; µ2Net+, Figure 4) as plain data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from taskgrove.domain.ids import ComponentId, TaskName
from taskgrove.domain.records import Component, Model
from taskgrove.domain.view import SystemView
from taskgrove.reports.drawing.colors import ROOT_COLOR, task_colors
from taskgrove.reports.drawing.layout import Layout, arrange, slot_rows
from taskgrove.reports.drawing.ordering import Key
from taskgrove.reports.drawing.steady import steady

HIDDEN_KINDS: Final = frozenset({"norm"})
"""Kinds of components that the graph leaves out, as the authors' figures do: the final norm is always
cloned together with the head, so it would repeat the row of heads."""

_LINE_GAP = 0.09
_MAX_BUNDLE = 4.0
_PORT = 0.14
_LEAN = 0.38

Point = tuple[float, float]
Curve = tuple[Point, Point, Point, Point]


class NodeKind(StrEnum):
    """What a node stands for."""

    TASK = "task"
    COMPONENT = "component"
    HEAD = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the multitask graph.

    Attributes:
        kind: Task (triangle), component (circle) or head (rectangle).
        key: Unique in the graph.
        x: Centre, in units of the distance between two tasks.
        row: 0 for tasks, the last one for heads.
        color: `#rrggbb`; of a component, the colour of the task that trained it last.
        label: Task name, validation accuracy in percent, or `(n)`: trained on n distinct tasks.
        component: None for a task.
    """

    kind: NodeKind
    key: Key
    x: float
    row: int
    color: str
    label: str
    component: ComponentId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The path of one task's model from its input to its head.

    Attributes:
        task: Whose model it is.
        color: The task's.
        curves: Cubic Bézier curves, each four points (x, row).
    """

    task: TaskName
    color: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MultitaskGraph:
    """What to draw.

    Attributes:
        nodes: Tasks, components and heads.
        wires: One per task that has a model, in order of arrival.
        row_names: What each row holds, from bottom to top.
        width: In units of the distance between two tasks.
    """

    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]
    row_names: tuple[str, ...]
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trail:
    """One task's model from its input to its head; the first and last key stand for these."""

    task: TaskName
    model: Model
    shown: tuple[Component, ...]
    keys: tuple[Key, ...]
    rows: tuple[int, ...]


def multitask_graph(view: SystemView, hidden: frozenset[str] = HIDDEN_KINDS) -> MultitaskGraph:
    """Place the published model of every task; root models without users are not shown.

    The topmost component of a model is its head and is drawn as one rectangle per task.

    Args:
        view: The system.
        hidden: Kinds of components to leave out.
    """
    return multitask_graphs([view], hidden)[0]


def multitask_graphs(
    views: Sequence[SystemView], hidden: frozenset[str] = HIDDEN_KINDS
) -> tuple[MultitaskGraph, ...]:
    """The graph of a system at several moments: what stays in the system stays in its place.

    Args:
        views: At least one; the last one decides where what it still has is placed.
        hidden: As in `multitask_graph`.
    """
    every = _trails(views, hidden)
    rows = {key: row for trails in every for t in trails for key, row in zip(t.keys, t.rows, strict=True)}
    paths = [[trail.keys for trail in trails] for trails in every]
    layouts = steady([*paths[:-1]], arrange(paths[-1], rows, _room), rows)
    names = _row_names([trail for trails in every for trail in trails])
    colors = task_colors(views[-1].tasks)
    return tuple(
        MultitaskGraph(
            nodes=_nodes(trails, layout, colors),
            wires=_wires([trail.task for trail in trails], layout, colors),
            row_names=names,
            width=layout.width,
        )
        for trails, layout in zip(every, layouts, strict=True)
    )


def _trails(views: Sequence[SystemView], hidden: frozenset[str]) -> list[list[_Trail]]:
    """Of each view, with rows that all of them have in common."""
    bests = [{t: model for t in view.tasks if (model := view.best(t)) is not None} for view in views]
    models = {model.id: model for each in bests for model in each.values()}
    shown = {m.id: tuple(c for c in m.components[:-1] if c.kind not in hidden) for m in models.values()}
    levels = slot_rows([[str(part.slot) for part in parts] for parts in shown.values()])
    rows = dict(zip(shown, levels, strict=True))
    top = 1 + max((row + 1 for each in levels for row in each), default=0)
    return [[_trail(t, m, shown[m.id], rows[m.id], top) for t, m in each.items()] for each in bests]


def _trail(task: TaskName, model: Model, shown: tuple[Component, ...], rows: list[int], top: int) -> _Trail:
    inner = (_key(part, row) for part, row in zip(shown, rows, strict=True))
    return _Trail(
        task=task,
        model=model,
        shown=shown,
        keys=(f"task|{task}", *inner, f"head|{task}"),
        rows=(0, *(row + 1 for row in rows), top),
    )


def _key(part: Component, row: int) -> Key:
    return f"{row}|{part.slot}|{part.id}"


def _row_names(trails: Sequence[_Trail]) -> tuple[str, ...]:
    """Slot names by row; families whose slots share a row are listed together."""
    names: dict[int, dict[str, None]] = defaultdict(dict)
    for trail in trails:
        slots = ("task", *(str(part.slot) for part in trail.shown), "head")
        for row, slot in zip(trail.rows, slots, strict=True):
            names[row][slot] = None
    return tuple(" / ".join(names[row]) for row in sorted(names))


def _room(num_paths: int, waypoint: bool) -> float:
    bundle = (num_paths - 1) * _gap(num_paths)
    return max(bundle + 0.5, 0.5 if waypoint else 1.0)


def _gap(num_lines: int) -> float:
    """Distance between neighbouring lines of a bundle: all stay visible, wide bundles are squeezed."""
    return min(_LINE_GAP, _MAX_BUNDLE / max(num_lines - 1, 1))


def _nodes(trails: Sequence[_Trail], layout: Layout, colors: Mapping[TaskName, str]) -> tuple[Node, ...]:
    nodes: dict[Key, Node] = {}

    def add(kind: NodeKind, key: Key, color: str, label: str, component: Component | None) -> None:
        nodes[key] = Node(
            kind=kind,
            key=key,
            x=layout.x[key],
            row=layout.row[key],
            color=color,
            label=label,
            component=component.id if component else None,
        )

    for trail in trails:
        own = colors.get(trail.task, ROOT_COLOR)
        add(NodeKind.TASK, trail.keys[0], own, trail.task, None)
        for key, part in zip(trail.keys[1:-1], trail.shown, strict=True):
            color = ROOT_COLOR if part.last_task is None else colors.get(part.last_task, ROOT_COLOR)
            add(NodeKind.COMPONENT, key, color, f"({len(part.cycles)})", part)
        label = f"{100 * trail.model.quality:.1f}"
        add(NodeKind.HEAD, trail.keys[-1], own, label, trail.model.components[-1])
    return tuple(nodes.values())


def _wires(tasks: Sequence[TaskName], layout: Layout, colors: Mapping[TaskName, str]) -> tuple[Wire, ...]:
    """Smooth lines; those that run together keep the left-to-right order of their tasks."""
    bundles: dict[tuple[Key, Key], list[int]] = defaultdict(list)
    for i in sorted(range(len(tasks)), key=lambda i: layout.x[layout.paths[i][0]]):
        for step in pairwise(layout.paths[i]):
            bundles[step].append(i)
    slopes = _slopes(layout)
    curves: dict[int, list[Curve]] = {i: [] for i in range(len(tasks))}
    for step, lines in bundles.items():
        gap = _gap(len(lines))
        for order, i in enumerate(lines):
            curves[i].append(_curve(layout, slopes, step, (order - (len(lines) - 1) / 2) * gap))
    return tuple(
        Wire(
            task=task,
            color=colors.get(task, ROOT_COLOR),
            curves=tuple(sorted(curves[i], key=lambda c: c[0][1])),
        )
        for i, task in enumerate(tasks)
    )


def _slopes(layout: Layout) -> dict[Key, float]:
    """How lines lean when they pass a waypoint: from the node before to the node after it."""
    return {
        key: (layout.x[after] - layout.x[before]) / 2
        for path in layout.paths
        for before, key, after in zip(path, path[1:], path[2:], strict=False)
        if key in layout.waypoints
    }


def _curve(layout: Layout, slopes: Mapping[Key, float], step: tuple[Key, Key], offset: float) -> Curve:
    """A line that leaves a node close to its centre, and runs beside the bundle's other lines."""
    port = max(-_PORT, min(_PORT, offset))
    ends, bends = [], []
    for key, lean in zip(step, (_LEAN, -_LEAN), strict=True):
        x, row = layout.x[key], float(layout.row[key])
        ends.append((x + (offset if key in slopes else port), row))
        bends.append((x + offset + slopes.get(key, 0.0) * lean, row + lean))
    return (ends[0], bends[0], bends[1], ends[1])
