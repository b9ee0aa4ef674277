"""Knowledge flow: which tasks trained the parameters of a model, by hand and on synthetic systems."""

from __future__ import annotations

import pytest

from taskgrove.domain.ids import ComponentId, SlotName, TaskName
from taskgrove.domain.records import Component, Model, identified
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.knowledge import flow_cells, flow_rows, knowledge_flow
from taskgrove.testing.systems import synthetic_system
from tests.unit.toy_tasks import toy_task

A, B, C = TaskName("a"), TaskName("b"), TaskName("c")


def part(id: str, num_params: int, **cycles: int) -> Component:
    by_task = {TaskName(task): count for task, count in cycles.items()}
    return Component(
        slot=SlotName(id), kind="block", id=ComponentId(id), num_params=num_params, cycles=by_task
    )


def model(task: TaskName | None, *parts: Component) -> Model:
    return identified(Model(member="toy", num_classes=2, components=parts, hparams={}, task=task))


def system(*models: Model) -> SystemView:
    tasks = {name: toy_task(name) for name in (A, B, C)}
    bests = {m.task: m.id for m in models if m.task is not None}
    return SystemView(tasks=tasks, models={m.id: m for m in models}, bests=bests)


def test_fractions_by_hand() -> None:
    of_a = model(A, part("root", 500), part("block", 100, a=4), part("head", 10, a=4))
    of_b = model(
        B, part("root", 500), part("block", 100, a=4), part("top", 50, a=4, b=2), part("new", 20, b=5)
    )
    flow = knowledge_flow(system(of_a, of_b))
    assert flow == {
        A: {A: 1.0},
        B: {A: pytest.approx(600 / 800), B: pytest.approx(200 / 800)},
    }


def test_a_component_in_two_slots_counts_once() -> None:
    twice = Component(
        slot=SlotName("again"), kind="block", id=ComponentId("block"), num_params=100, cycles={A: 4}
    )
    flow = knowledge_flow(system(model(B, part("block", 100, a=4), twice, part("head", 100, b=4))))
    assert flow == {B: {A: 0.5, B: 0.5}}


def test_sources_are_listed_by_their_part_and_models_in_order_of_arrival() -> None:
    of_b = model(B, part("x", 10, a=1, b=3, c=2))
    flow = knowledge_flow(system(of_b, model(A, part("y", 10, a=1))))
    assert [*flow] == [A, B]
    assert [*flow[B]] == [B, C, A]


def test_an_untrained_model_has_no_sources() -> None:
    flow = knowledge_flow(system(model(A, part("root", 500), part("still", 5, a=0))))
    assert flow == {A: {}}
    assert flow_cells(flow) == [("a", "0.0", "–")]


def test_a_system_without_models_has_no_flow() -> None:
    assert knowledge_flow(SystemView()) == {}


def test_fractions_of_every_model_sum_to_one() -> None:
    view, _, _ = synthetic_system(12, 3)
    flow = knowledge_flow(view)
    assert set(flow) == set(view.bests)
    assert any(len(sources) > 1 for sources in flow.values())
    for task, sources in flow.items():
        assert sum(sources.values()) == pytest.approx(1.0)
        assert sources[task] > 0


def test_rows_hold_all_and_cells_the_largest() -> None:
    names = [TaskName(f"t{i}") for i in range(6)]
    flow = {A: {A: 0.4, **dict.fromkeys(names, 0.1)}}
    assert flow_rows(flow) == [("a", "a", 0.4), *(("a", name, 0.1) for name in names)]
    assert flow_cells(flow) == [("a", "40.0", "t0 10.0, t1 10.0, t2 10.0, +3 tasks")]
