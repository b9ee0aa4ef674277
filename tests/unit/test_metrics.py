"""What a system is worth after a task iteration: each metric by hand."""

from __future__ import annotations

import pytest

from taskgrove.coordinator.metrics import metrics
from taskgrove.domain.ids import ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.records import Component, Evaluation, Model, identified
from taskgrove.domain.view import SystemView
from taskgrove.store.spent import Spent
from taskgrove.store.state import State
from taskgrove.testing.systems import synthetic_system
from tests.unit.toy_tasks import toy_task

A, B = TaskName("a"), TaskName("b")
TASKS = {name: toy_task(name) for name in (A, B)}


def model(task: TaskName | None, quality: float, flops: int, **sizes: int) -> Model:
    """A model of components with these ids and sizes."""
    parts = tuple(
        Component(slot=SlotName(f"block_{i}"), kind="block", id=ComponentId(id), num_params=size)
        for i, (id, size) in enumerate(sizes.items())
    )
    made = Model(
        member="toy", num_classes=2, components=parts, hparams={}, task=task, quality=quality, flops=flops
    )
    return identified(made)


ROOT = model(None, 0.0, 10, r0=60, r1=100)
OF_A = model(A, 0.8, 100, r0=60, a1=100)
OF_B = model(B, 0.6, 300, r0=60, a1=100, b2=8)
SPENT = {
    "mine": Spent(children=4, failed=1, samples=300, flops=9000, meters={"train_s": 5.0}),
    "other": Spent(children=7),
}


def state(*models: Model, tested: dict[ModelId, float] | None = None) -> State:
    bests = {m.task: m.id for m in models if m.task is not None}
    view = SystemView(tasks=TASKS, models={m.id: m for m in (ROOT, *models)}, roots=(ROOT.id,), bests=bests)
    evaluations = {
        id: {"test": Evaluation(model=id, task=A, split="test", accuracy=accuracy, num_samples=9)}
        for id, accuracy in (tested or {}).items()
    }
    return State(view=view, evaluations=evaluations, spent=SPENT)


def test_every_metric_by_hand() -> None:
    found = metrics(state(OF_A, OF_B, tested={OF_A.id: 0.75, OF_B.id: 0.5}), "mine")
    assert dict(found) == {
        "children": 4.0,
        "distinct_params": 60 + 100 + 100 + 8,
        "mean_flops": 200.0,
        "mean_test_accuracy": 0.625,
        "mean_validation_accuracy": 0.7,
        "params_per_task": pytest.approx((60 + 100 + 8) / 2),
        "params_per_task_roots_counted": pytest.approx((2 * 60 / 3 + 100 + 8) / 2),
        "samples": 300.0,
        "tasks": 2.0,
        "train_flops": 9000.0,
    }


def test_names_are_sorted_and_values_are_plain_floats() -> None:
    found = metrics(state(OF_A, tested={OF_A.id: 1.0}), "mine")
    assert list(found) == sorted(found)
    assert {type(value) for value in found.values()} == {float}


def test_what_is_not_known_is_absent() -> None:
    assert set(metrics(state(), "mine")) == {"children", "distinct_params", "samples", "tasks", "train_flops"}
    assert "mean_test_accuracy" not in metrics(state(OF_A), "mine")
    assert metrics(state(OF_A, OF_B, tested={OF_B.id: 0.5}), "mine")["mean_test_accuracy"] == 0.5


def test_an_experiment_that_has_trained_nothing_has_spent_nothing() -> None:
    assert metrics(state(OF_A), "new")["children"] == 0.0


def test_parameters_per_task_without_roots_times_tasks_are_those_that_tasks_use() -> None:
    view, _, evaluations = synthetic_system(6, 2)
    found = metrics(State(view=view, evaluations=evaluations), "synthetic")
    used = {c.id: c.num_params for task in view.bests for c in view.models[view.bests[task]].components}
    assert found["params_per_task"] * found["tasks"] == pytest.approx(sum(used.values()))
    assert found["params_per_task_roots_counted"] < found["params_per_task"]
