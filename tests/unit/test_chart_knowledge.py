"""The knowledge-flow graph and its matrix: three tasks by hand, and what is drawn of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch

from taskgrove.domain.ids import ComponentId, SlotName, TaskName
from taskgrove.domain.records import Component, Model, identified
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.knowledge import flow_matrix, knowledge_flow
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.charts.knowledge import KnowledgeChart, draw_knowledge
from taskgrove.reports.charts.knowledge_matrix import KnowledgeMatrixChart, draw_knowledge_matrix
from taskgrove.testing.systems import synthetic_system
from tests.unit.toy_tasks import toy_task

A, B, C = TaskName("a"), TaskName("b"), TaskName("c")


def part(id: str, num_params: int, cycles: Mapping[TaskName, int]) -> Component:
    slot = SlotName(id.rstrip("'"))
    return Component(slot=slot, kind="block", id=ComponentId(id), num_params=num_params, cycles=cycles)


def three_tasks() -> SystemView:
    """Three models of a root whose embedding nobody has trained.

    Task a: block_0 (100 parameters) and a head (10), each trained for 4 cycles.
    Task b: shares a's block_0 and clones an earlier block_1 of a's (100, 4 cycles), which it trains for
    2 more, with a head (10) of 2 cycles.
    Task c: clones b's block_1 and trains it for 3 more cycles, and the root's block_0 (100) for 1, with a
    head (20) of 4 cycles.
    """
    root = part("embedding", 500, {})
    shared = part("block_0", 100, {A: 4})
    models = [
        identified(Model(member="toy", num_classes=2, components=(root, *parts), hparams={}, task=task))
        for task, parts in {
            A: (shared, part("head", 10, {A: 4})),
            B: (shared, part("block_1'", 100, {A: 4, B: 2}), part("head'", 10, {B: 2})),
            C: (
                part("block_0'", 100, {C: 1}),
                part("block_1''", 100, {A: 4, B: 2, C: 3}),
                part("head''", 20, {C: 4}),
            ),
        }.items()
    ]
    return SystemView(
        tasks={name: toy_task(name) for name in (A, B, C)},
        models={model.id: model for model in models},
        bests={model.task: model.id for model in models if model.task is not None},
    )


FLOW = {
    # 100 * 4 + 10 * 4 = 440, all on a.
    (A, A): 1.0,
    # On a 100 * 4 + 100 * 4 = 800, on b 100 * 2 + 10 * 2 = 220; together 1020.
    (B, A): 800 / 1020,
    (B, B): 220 / 1020,
    # On a 100 * 4 = 400, on b 100 * 2 = 200, on c 100 * 1 + 100 * 3 + 20 * 4 = 480; together 1080.
    (C, A): 400 / 1080,
    (C, B): 200 / 1080,
    (C, C): 480 / 1080,
}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def widths(figure: Figure) -> list[float]:
    return [
        each.get_linewidth() for each in figure.axes[0].get_children() if isinstance(each, FancyArrowPatch)
    ]


def run_of(view: SystemView) -> Run:
    return Run(view=view)


@pytest.mark.parametrize("chart", [KnowledgeChart(), KnowledgeMatrixChart()])
def test_the_table_agrees_with_three_tasks_by_hand(chart: KnowledgeChart | KnowledgeMatrixChart) -> None:
    table = chart.tabulate([run_of(three_tasks())])
    assert table.headings == ("task", "source", "fraction")
    assert {(row[0], row[1]): row[2] for row in table.rows} == pytest.approx(FLOW)


def test_the_matrix_has_targets_in_rows_and_sources_in_columns() -> None:
    names, parts = flow_matrix(knowledge_flow(three_tasks()))
    assert names == (A, B, C)
    assert parts.tolist() == [
        [pytest.approx(FLOW.get((row, column), 0.0)) for column in names] for row in names
    ]


def test_a_task_that_has_left_is_still_a_source() -> None:
    view = three_tasks()
    without = replace(view, bests={task: best for task, best in view.bests.items() if task != A})
    assert flow_matrix(knowledge_flow(without))[0] == (B, C, A)
    assert "a  0 %" in texts(draw_knowledge(without))


def test_an_arrow_for_every_two_tasks_and_a_loop_for_every_model() -> None:
    figure = draw_knowledge(three_tasks())
    assert sorted(widths(figure)) == pytest.approx(
        sorted(9 * FLOW[pair] for pair in ((B, A), (C, A), (C, B)))
    )
    rings = [
        each for each in figure.axes[0].get_children() if isinstance(each, Circle) and not each.get_fill()
    ]
    assert sorted(ring.get_linewidth() for ring in rings) == pytest.approx(
        sorted(9 * FLOW[task, task] for task in (A, B, C))
    )
    assert sorted(texts(figure)) == ["a  100 %", "b  22 %", "c  44 %"]


def test_the_matrix_shows_percents_and_leaves_cells_without_training_empty() -> None:
    shown = texts(draw_knowledge_matrix(three_tasks()))
    assert {"100.0", "78.4", "21.6", "37.0", "18.5", "44.4"} <= set(shown)
    assert "0.0" not in shown


def test_of_many_tasks_only_the_widest_arrows_are_drawn_and_the_picture_says_so() -> None:
    view, _, _ = synthetic_system(40, 1, iterations=3)
    figure = draw_knowledge(view)
    flow = knowledge_flow(view)
    parts = [part for task, found in flow.items() for source, part in found.items() if source != task]
    drawn = widths(figure)
    assert 0 < len(drawn) <= 3 * 40 < len(parts)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    least = float(legend.get_title().get_text().split("up to ")[1].split(" %")[0]) / 100
    assert len(drawn) == sum(part > least for part in parts)
    assert len(texts(figure)) == 40


def test_nothing_is_said_of_an_empty_system() -> None:
    for figure in (draw_knowledge(SystemView()), draw_knowledge_matrix(SystemView())):
        assert [text.get_text() for text in figure.texts] == ["No task has a model yet."]
