"""The picture of who shares what: its layout and how it is drawn."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest

from taskgrove.domain.ids import SlotName
from taskgrove.domain.records import identified
from taskgrove.domain.view import SystemView
from taskgrove.reports.charts.graph import draw_graph
from taskgrove.reports.drawing.colors import ROOT_COLOR, task_colors
from taskgrove.reports.drawing.figures import png, svg
from taskgrove.reports.drawing.graph import MultitaskGraph, NodeKind, multitask_graph
from taskgrove.testing.systems import synthetic_system


def graph_of(num_tasks: int, seed: int = 1) -> tuple[SystemView, MultitaskGraph]:
    view, _, _ = synthetic_system(num_tasks, seed)
    return view, multitask_graph(view)


@pytest.mark.parametrize("num_tasks", [1, 8, 40])
def test_nodes_of_a_row_keep_their_distance(num_tasks: int) -> None:
    _, graph = graph_of(num_tasks)
    rows: dict[int, list[float]] = defaultdict(list)
    for node in graph.nodes:
        rows[node.row].append(node.x)
    for xs in rows.values():
        xs.sort()
        assert all(b - a > 0.999 for a, b in pairwise(xs))
        assert xs[0] > 0
        assert xs[-1] < graph.width


def test_rows_follow_the_slots_from_bottom_to_top() -> None:
    _, graph = graph_of(8)
    slots = ("embedding", "cls", "pos", "block_0", "adapter_1", "block_1", "block_2")
    assert graph.row_names == ("task", *slots, "head")


def test_every_wire_climbs_from_its_task_to_its_head_without_gaps() -> None:
    _, graph = graph_of(8)
    where = {node.key: (node.x, node.row) for node in graph.nodes}
    for wire in graph.wires:
        assert wire.curves[0][0] == pytest.approx(where[f"task|{wire.task}"])
        assert wire.curves[-1][3] == pytest.approx(where[f"head|{wire.task}"])
        rows = [(curve[0][1], curve[3][1]) for curve in wire.curves]
        assert rows == [(row, row + 1) for row in range(len(graph.row_names) - 1)]


def test_lines_between_the_same_nodes_are_offset() -> None:
    view, _, _ = synthetic_system(2, 0)
    root = view.models[view.roots[0]]
    models = [identified(replace(root, task=task, quality=0.5)) for task in view.tasks]
    twins = replace(
        view,
        models={model.id: model for model in (root, *models)},
        bests={task: model.id for task, model in zip(view.tasks, models, strict=True)},
    )
    first, second = (wire.curves[1:-1] for wire in multitask_graph(twins).wires)
    assert all(a[i] != b[i] for a, b in zip(first, second, strict=True) for i in range(4))


def test_a_node_has_the_colour_of_the_task_that_trained_it_last() -> None:
    view, graph = graph_of(8)
    colors = task_colors(view.tasks)
    parts = {c.id: c for task in view.tasks if (m := view.best(task)) for c in m.components}
    for node in graph.nodes:
        if node.kind is NodeKind.COMPONENT and node.component is not None:
            part = parts[node.component]
            assert node.color == (colors[part.last_task] if part.last_task else ROOT_COLOR)
            assert node.label == f"({len(part.cycles)})"
    assert {ROOT_COLOR} < {node.color for node in graph.nodes}


def test_a_component_is_one_node_and_the_norm_is_hidden() -> None:
    view, graph = graph_of(8)
    shown = [node.component for node in graph.nodes if node.kind is NodeKind.COMPONENT]
    used = {
        c.id
        for task in view.tasks
        if (model := view.best(task))
        for c in model.components[:-1]
        if c.kind != "norm"
    }
    assert len(shown) == len(used)
    assert set(shown) == used


def test_families_share_rows_from_the_bottom_and_heads_share_the_top() -> None:
    view, _, _ = synthetic_system(2, 0)
    root = view.models[view.roots[0]]
    first, second = view.tasks
    deep = identified(replace(root, task=first, quality=0.5))
    parts = [replace(c, slot=SlotName(f"layer_{i}")) for i, c in enumerate(root.components[:2])]
    flat = identified(replace(root, task=second, components=(*parts, root.components[-1])))
    mixed = replace(
        view, models={m.id: m for m in (root, deep, flat)}, bests={first: deep.id, second: flat.id}
    )
    graph = multitask_graph(mixed)
    assert graph.row_names[:4] == ("task", "embedding / layer_0", "cls / layer_1", "pos")
    assert {node.row for node in graph.nodes if node.kind is NodeKind.HEAD} == {len(graph.row_names) - 1}


def test_tasks_without_a_model_and_unused_roots_are_not_shown() -> None:
    view, _, _ = synthetic_system(3, 1)
    assert multitask_graph(replace(view, bests={})).nodes == ()
    last = list(view.tasks)[-1]
    partial = replace(view, bests={t: m for t, m in view.bests.items() if t != last})
    assert len(multitask_graph(partial).wires) == 2


def test_the_layout_is_deterministic() -> None:
    assert graph_of(30)[1] == graph_of(30)[1]


def test_the_svg_is_the_same_every_time_and_holds_the_nodes_texts() -> None:
    view, graph = graph_of(3)
    picture = svg(draw_graph(view, "Three"))
    assert picture == svg(draw_graph(view, "Three"))
    text = picture.decode()
    assert "Three" in text
    assert all(f">{node.label}<" in text for node in graph.nodes)
    assert all(f'id="wire-{task}"' in text for task in view.tasks)
    assert "<dc:date>" not in text


def test_a_system_without_models_is_drawn_too() -> None:
    assert "No task has a model yet." in svg(draw_graph(SystemView())).decode()


def test_a_hundred_tasks_are_drawn_in_time() -> None:
    view, _, _ = synthetic_system(100)
    start = time.perf_counter()
    picture = png(draw_graph(view), dpi=60)
    assert time.perf_counter() - start < 5
    assert picture.startswith(b"\x89PNG")
