"""Whole runs of the baselines: they spend what a search spends, and go on where they were interrupted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from taskgrove.agents.base import AbstractAgent
from taskgrove.agents.methods import AGENTS
from taskgrove.coordinator.loop import Run
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import FinishChild, StartExperiment
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import (
    AgentSpec,
    BudgetSpec,
    ExperimentSpec,
    RootSpec,
    TaskEntry,
    TrainSpec,
)
from taskgrove.scoring.quality import QualityScore
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.tasks.sources.arrays import arrays
from taskgrove.testing.layouts import tiny_equipment, tiny_store
from taskgrove.testing.runs import Interrupted, grow, interrupt_at, log_of

TASKS = (TaskName("a"), TaskName("b"))
ITERATIONS = 2
BUDGET = 16
"""Train cycles per task iteration in the runs with the fake trainer."""

Options = dict[str, HparamValue]
METHODS: dict[str, tuple[str, Options]] = {
    "mu2net_plus": ("mu2net_plus", {"children": 4}),
    "munet": ("munet", {"children": 4}),
    "random_search": ("random_search", {"children": 4}),
    "multi_head": ("multi_head", {}),
    "fine_tune": ("fine_tune", {}),
    "fine_tune_top": ("fine_tune_top", {"frozen": 1}),
    "residual_adapters": ("residual_adapters", {"dim": 8}),
    "fine_tune_search": ("fine_tune_search", {"trials": 4}),
    "fine_tune_search tpe": ("fine_tune_search", {"trials": 4, "sampler": "tpe"}),
}
SEARCHES = ("mu2net_plus", "munet")
BASELINES = sorted(set(METHODS) - set(SEARCHES))


def agent_of(method: str) -> AbstractAgent[Any]:
    name, options = METHODS[method]
    kind = AGENTS[name]
    equipment = replace(tiny_equipment(QualityScore()), budget=BUDGET)
    agent: AbstractAgent[Any] = kind(equipment=equipment, options=kind.options_type(**options))  # type: ignore[call-arg]
    return agent


def run_of(method: str) -> Run:
    start = StartExperiment(experiment="x", digest="d", spec="{}", iterations=ITERATIONS, tasks=TASKS)
    return Run(start=start, seed=0, agents=dict.fromkeys(TASKS, agent_of(method)), threads=1)


def finished(store: Store) -> list[FinishChild]:
    return [c.operation for c in store.history() if isinstance(c.operation, FinishChild)]


def samples(store: Store) -> int:
    return sum(op.result.samples for op in finished(store) if op.result is not None)


@pytest.mark.parametrize("method", [*SEARCHES, *BASELINES])
def test_every_method_spends_the_same_samples(method: str) -> None:
    store = tiny_store(MemoryBackend())
    grow(store, run_of(method))
    assert {op.task for op in finished(store)} == set(TASKS)
    assert samples(store) == ITERATIONS * len(TASKS) * BUDGET * 8  # the fake trainer's cycle has 8 images


@pytest.mark.parametrize("method", BASELINES)
@pytest.mark.parametrize("child", [0, 2, 5, 11])
def test_a_run_killed_in_a_childs_training_goes_on(method: str, child: int) -> None:
    whole, killed = MemoryBackend(), MemoryBackend()
    grow(tiny_store(whole), run_of(method))
    store = tiny_store(killed)
    with pytest.raises(Interrupted):
        grow(store, run_of(method), before_training=interrupt_at(child))
    grow(Store.open(killed), run_of(method))
    assert log_of(killed) == log_of(whole)
    assert check(killed, deep=False).problems == ()


@pytest.mark.parametrize("method", BASELINES)
def test_failed_children_are_recorded_and_the_run_ends(method: str) -> None:
    store = tiny_store(MemoryBackend())
    view = grow(store, run_of(method), fails=lambda job: job.generation + job.child == 1)
    assert set(view.bests) == set(TASKS)
    assert any(op.failure is not None for op in finished(store))


def spec(method: str) -> ExperimentSpec:
    """A small experiment with the real trainer: 8 cycles per task and iteration."""
    name, options = METHODS[method]
    return ExperimentSpec(
        name=method.replace(" ", "-"),
        root=RootSpec(member="vit-tiny-test"),
        agent=AgentSpec(method=name, iterations=2, options=options),
        budget=BudgetSpec(cycles=16),
        train=TrainSpec(cycles=1, samples_cap=16, batch_size=8, val_cap=8, precision="fp32", threads=1),
        device="cpu",
        tasks=(TaskEntry(name="a", source=""),),
    )


@pytest.fixture
def grove() -> Grove:
    """A system with one task, whose images are told apart by their brightness."""
    labels = np.arange(40) % 2
    images = np.full((40, 8, 8), 10, np.uint8) + (labels * 150).astype(np.uint8)[:, None, None]
    images[:, 0, 0] = np.arange(40)
    made = Grove.create(MemoryBackend(), RootSpec(member="vit-tiny-test"))
    made.add_task("a", arrays(images, labels))
    return made


@pytest.mark.parametrize("method", ["mu2net_plus", *BASELINES])
def test_with_the_real_trainer_every_method_spends_the_same_samples(method: str, grove: Grove) -> None:
    source = grove.view().task(TaskName("a")).source
    view = grove.run(replace(spec(method), tasks=(TaskEntry(name="a", source=source),)))
    assert samples(grove.store) == 16 * 16
    assert set(view.bests) == {"a"}
    qualities = [op.result.quality for op in finished(grove.store) if op.result is not None]
    assert view.models[view.bests[TaskName("a")]].quality == max(qualities)
