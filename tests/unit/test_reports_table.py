"""The tables of tasks and models, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from io import StringIO

import pytest
from rich.console import Console

from taskgrove.domain.ids import ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.records import Component, Evaluation, Model, identified
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.history import spent_by
from taskgrove.reports.analyses.tasks import per_task, totals
from taskgrove.reports.quantities import duration, human, percent
from taskgrove.reports.words.show import describe_model, describe_system
from taskgrove.reports.words.table import as_json, as_markdown, as_rich
from taskgrove.scoring.accounting import accounted_params
from taskgrove.testing.systems import synthetic_system
from tests.unit.toy_tasks import toy_task

A, B, C = TaskName("a"), TaskName("b"), TaskName("c")


def part(slot: str, id: str, num_params: int, task: TaskName | None = None) -> Component:
    cycles = {} if task is None else {task: 4}
    return Component(
        slot=SlotName(slot),
        kind=slot.split("_")[0],
        id=ComponentId(id),
        num_params=num_params,
        cycles=cycles,
        last_task=task,
    )


def model(task: TaskName | None, *parts: Component, quality: float = 0.0, flops: int = 100) -> Model:
    return identified(
        Model(
            member="toy",
            num_classes=2,
            components=parts,
            hparams={"opt.lr": 0.1},
            task=task,
            quality=quality,
            flops=flops,
            parent=None if task is None else ModelId("gone"),
        )
    )


ROOT = model(None, part("block_0", "r0", 60), part("block_1", "r1", 100), part("head", "rh", 5))
OF_A = model(
    A, part("block_0", "r0", 60), part("block_1", "a1", 100, A), part("head", "ah", 7, A), quality=0.8
)
OF_B = model(
    B, part("block_0", "r0", 60), part("adapter_1", "b9", 8, B), part("block_1", "a1", 100, A), quality=0.6
)


def small() -> tuple[SystemView, dict[ModelId, dict[str, Evaluation]]]:
    view = SystemView(
        number=9,
        tasks={name: toy_task(name) for name in (A, B, C)},
        models={m.id: m for m in (ROOT, OF_A, OF_B)},
        roots=(ROOT.id,),
        bests={A: OF_A.id, B: OF_B.id},
        iterations={A: 2, B: 1},
    )
    test = Evaluation(model=OF_A.id, task=A, split="test", accuracy=0.75, num_samples=40)
    return view, {OF_A.id: {"test": test}}


def test_a_row_by_hand() -> None:
    row = per_task(*small())[0]
    assert (row.task, row.num_classes, row.iterations, row.model) == (A, 2, 2, OF_A.id)
    assert (row.val_accuracy, row.test_accuracy, row.flops, row.num_layers) == (0.8, 0.75, 100, 2)
    assert row.num_params == 167
    assert row.accounted_params == pytest.approx(60 / 3 + 100 / 2 + 7)
    assert (dict(row.shared_with), row.shared_with_roots) == ({B: 2}, 1)


def test_adapters_are_no_layers_and_unmeasured_accuracies_are_unknown() -> None:
    row = per_task(*small())[1]
    assert (row.num_layers, row.test_accuracy) == (2, None)


def test_a_task_without_a_model_has_an_empty_row() -> None:
    row = per_task(*small())[2]
    assert (row.task, row.model, row.val_accuracy, row.num_params) == (C, None, None, None)
    assert "| c | 2 | – | – | – | – | – | – | 0 |  |" in as_markdown([row], totals(*small()))


def test_totals_by_hand() -> None:
    total = totals(*small())
    assert (total.num_tasks, total.num_models) == (3, 2)
    assert total.distinct_params == 60 + 100 + 5 + 100 + 7 + 8
    assert (total.root_params, total.separate_params) == (165, 167 + 168)
    assert total.mean_val_accuracy == pytest.approx(0.7)
    assert total.mean_test_accuracy == 0.75


def test_accounted_parameters_sum_to_the_distinct_ones() -> None:
    view, _, evaluations = synthetic_system(12, 3)
    total = totals(view, evaluations)
    of_roots = sum(accounted_params(view.models[root], view) for root in view.roots)
    assert total.accounted_params + of_roots == pytest.approx(total.distinct_params)


def test_sharing_is_symmetric() -> None:
    view, _, evaluations = synthetic_system(8, 1)
    shared = {row.task: row.shared_with for row in per_task(view, evaluations)}
    assert any(shared.values())
    assert all(shared[b][a] == count for a, others in shared.items() for b, count in others.items())


def test_the_terminal_table_fits_a_hundred_columns() -> None:
    view, _, evaluations = synthetic_system(40, 1)
    console = Console(width=100, record=True, file=StringIO())
    console.print(as_rich(per_task(view, evaluations), totals(view, evaluations)))
    text = console.export_text()
    assert all(task in text for task in view.tasks)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_json_holds_plain_unrounded_values() -> None:
    view, evaluations = small()
    loaded = json.loads(json.dumps(as_json(per_task(view, evaluations), totals(view, evaluations))))
    assert loaded["tasks"][0]["accounted_params"] == pytest.approx(77)
    assert loaded["tasks"][2]["model"] is None
    assert loaded["totals"]["num_models"] == 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_484_162, "1.48 M"),
        (14_800_000, "14.8 M"),
        (123_456_789, "123 M"),
        (192, "192"),
        (999, "999"),
        (1000, "1.00 k"),
        (999_999, "1.00 M"),
        (9.996e6, "10.0 M"),
        (2.2e9, "2.20 G"),
        (0, "0"),
        (None, "–"),
    ],
)
def test_numbers_read_well(value: float | None, text: str) -> None:
    assert human(value) == text


def test_percentages_and_durations_read_well() -> None:
    assert (percent(0.9126), percent(None)) == ("91.3", "–")
    assert (duration(3_661), duration(59.7)) == ("1 h 01 min", "1 min 00 s")


def test_a_model_tells_who_shares_and_who_trained_its_components() -> None:
    view, _ = small()
    told = describe_model(OF_B, view)
    slots = {slot.slot: slot for slot in told.slots}
    below = slots[SlotName("block_0")]
    assert (below.shared_with, below.in_roots, below.last_task) == ((A,), 1, None)
    above = slots[SlotName("block_1")]
    assert (above.shared_with, above.last_task, dict(above.cycles)) == ((A,), A, {A: 4})
    assert told.ancestors == ()


def test_a_model_shows_how_many_cycles_each_task_trained_its_components() -> None:
    view, _ = small()
    console = Console(width=120, record=True, file=StringIO())
    console.print(describe_model(OF_B, view).as_rich())
    lines = {line.split()[0]: line for line in console.export_text().splitlines() if line.strip()}
    assert "a 4" in lines["block_1"]
    assert "b 4" in lines["adapter_1"]
    assert "a 4" not in lines["block_0"]


def test_ancestors_are_told_nearest_first() -> None:
    view, _ = small()
    child = identified(replace(OF_A, parent=ROOT.id))
    assert describe_model(child, view).ancestors == ((None, ROOT.id),)


def test_descriptions_print_and_serialise() -> None:
    view, history, _ = synthetic_system(4, 1)
    console = Console(width=100, record=True, file=StringIO())
    for model in view.published():
        told = describe_model(model, view)
        console.print(told.as_rich())
        assert json.loads(json.dumps(told.as_json()))["model"] == model.id
    status = describe_system(view, spent_by(history))
    console.print(status.as_rich())
    assert json.loads(json.dumps(status.as_json()))["totals"]["num_tasks"] == 4
    text = console.export_text()
    assert "8 of 8 task iterations finished; used 32 children (" in text
    assert status.as_json()["spent"] == {"synthetic": asdict(spent_by(history)["synthetic"])}
    assert "none: a root model" in text
    assert all(task in text for task in view.tasks)


def test_an_empty_system_has_a_status() -> None:
    console = Console(width=80, record=True, file=StringIO())
    console.print(describe_system(SystemView(), {}).as_rich())
    assert "none yet" in console.export_text()
