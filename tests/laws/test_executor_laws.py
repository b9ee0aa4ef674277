"""Law 3: who carries out the jobs, and when each ends, decides nothing about the system that grows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgrove.agents.generations import AbstractGenerational
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.jobs import TrainJob
from taskgrove.domain.records import AddEvaluation, AddMetrics, FinishChild
from taskgrove.domain.view import SystemView
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.build import build_agent
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, RootSpec, ScoreSpec, TaskEntry, TrainSpec
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.testing.executors import OutOfOrder
from taskgrove.testing.layouts import TINY, TRAIN, tiny_store
from taskgrove.testing.runs import A, B, grow, run_of
from taskgrove.trainer.base import Tick

CHILDREN = 4
SEARCH: dict[str, HparamValue] = {"generations": 2, "children": CHILDREN}
METHODS: dict[str, tuple[str, dict[str, HparamValue]]] = {
    "munet": ("munet", SEARCH),
    "mu2net": ("mu2net", SEARCH),
    "mu2net_plus": ("mu2net_plus", SEARCH),
    "random_search": ("random_search", SEARCH),
    "fine_tune": ("fine_tune", {"replicas": CHILDREN}),
    "fine_tune_search": ("fine_tune_search", {"trials": 3}),
}
"""Method and options, by name of the case."""

EXPERIMENT = ExperimentSpec(
    name="law",
    seed=5,
    device="cpu",
    root=RootSpec(member="vit-tiny-test"),
    agent=AgentSpec(iterations=1, options={"generations": 2, "children": 2}),
    score=ScoreSpec(form="mu2net_plus", scale=0.9),
    train=TrainSpec(cycles=2, samples_cap=16, batch_size=8, val_cap=8, precision="fp32", threads=1),
)


def fails(job: TrainJob) -> bool:
    """Some children do not train."""
    return job.seed % 5 == 0


def ends(store: Store) -> dict[tuple[str, int, int, int], FinishChild]:
    """What became of every child, by its position."""
    done = (c.operation for c in store.history() if isinstance(c.operation, FinishChild))
    return {(d.task, d.iteration, d.generation, d.child): d for d in done}


def measures(store: Store) -> list[object]:
    """Test accuracies and metrics, in order."""
    return [c.operation for c in store.history() if isinstance(c.operation, AddEvaluation | AddMetrics)]


def system(view: SystemView) -> SystemView:
    """What neither the order of commits nor the settings of the executor decide."""
    return replace(view, number=0, experiments={})


@pytest.mark.parametrize("case", METHODS)
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), order=st.integers(0, 2**63 - 1))
def test_outcomes_may_be_told_in_any_order(case: str, seed: int, order: int) -> None:
    method, options = METHODS[case]
    spec = replace(EXPERIMENT, agent=AgentSpec(method=method, options=options))
    agent = build_agent(spec, TINY.member, TRAIN)
    assert isinstance(agent, AbstractGenerational)
    run = replace(run_of(2, seed=seed), agents={A: agent, B: agent})
    straight, shuffled = tiny_store(MemoryBackend()), tiny_store(MemoryBackend())
    grow(straight, run, fails=fails)
    executor = OutOfOrder(agent.effort().children, Random(order).randrange)
    grow(shuffled, run, fails=fails, executor=executor, observe=executor.observe)
    assert ends(shuffled) == ends(straight)
    assert measures(shuffled) == measures(straight)
    assert system(shuffled.view()) == system(straight.view())


@pytest.fixture
def spec(tmp_path: Path) -> ExperimentSpec:
    """Four children that learn to tell bright images from dark ones."""
    rng, labels = np.random.default_rng(0), np.arange(60) % 2
    images = (rng.integers(0, 100, (60, 8, 8)) + 80 * labels[:, None, None]).astype(np.uint8)
    np.savez(
        tmp_path / "a.npz", x_train=images[:40], y_train=labels[:40], x_test=images[40:], y_test=labels[40:]
    )
    return replace(EXPERIMENT, tasks=(TaskEntry(name="a", source=f"npz:{tmp_path}/a.npz"),))


def grown(spec: ExperimentSpec, folder: Path, executor: str, workers: int) -> tuple[Grove, list[Tick]]:
    ticks: list[Tick] = []
    grove = open_or_create(folder, spec.root)
    grove.run(replace(spec, executor=executor, workers=workers), watch=ticks.append)
    return grove, ticks


@pytest.mark.usefixtures("threads")
def test_two_workers_grow_the_system_that_one_process_grows(spec: ExperimentSpec, tmp_path: Path) -> None:
    inline, told = grown(spec, tmp_path / "inline", "inline", 0)
    processes, heard = grown(spec, tmp_path / "processes", "processes", 2)
    assert ends(processes.store) == ends(inline.store)
    assert measures(processes.store) == measures(inline.store)
    assert system(processes.view()) == system(inline.view())
    assert len(told) == 4 * spec.train.cycles
    assert sorted(heard, key=repr) == sorted(told, key=repr)


@pytest.mark.usefixtures("threads")
def test_rounds_of_two_workers_are_those_of_one_process(spec: ExperimentSpec, tmp_path: Path) -> None:
    tasks = tuple(replace(spec.tasks[0], name=name) for name in "abc")
    agent = replace(spec.agent, iterations=2)
    spec = replace(spec, tasks=tasks, agent=agent, schedule="rounds")
    inline, _ = grown(spec, tmp_path / "inline", "inline", 0)
    processes, _ = grown(spec, tmp_path / "processes", "processes", 2)
    assert ends(processes.store) == ends(inline.store)
    for one, other in zip(system_of(inline), system_of(processes), strict=True):
        assert one == other


def system_of(grove: Grove) -> tuple[object, ...]:
    """What an agent or a reader sees that the order of commits does not decide."""
    view = grove.view()
    selections = {task: dict(counts) for task, counts in view.selections.items()}
    return dict(view.models), dict(view.bests), selections, dict(view.iterations)
