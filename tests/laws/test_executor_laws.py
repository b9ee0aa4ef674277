"""Law 3: who carries out the jobs, and when each ends, decides nothing about the system that grows."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgrove.agents.generations import AbstractGenerational
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.jobs import TrainJob
from taskgrove.domain.records import AddEvaluation, AddMetrics
from taskgrove.domain.view import SystemView
from taskgrove.experiment.build import build_agent
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.testing.executors import OutOfOrder
from taskgrove.testing.layouts import TINY, TRAIN, tiny_store
from taskgrove.testing.runs import A, B, grow, run_of
from taskgrove.trainer.base import Tick
from tests.laws.examples import examples
from tests.laws.runs import EXPERIMENT, assert_same, bright_or_dark, ends, grown, in_rounds

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


def fails(job: TrainJob) -> bool:
    """Some children do not train."""
    return job.seed % 5 == 0


def measures(store: Store) -> list[object]:
    """Test accuracies and metrics, in order."""
    return [c.operation for c in store.history() if isinstance(c.operation, AddEvaluation | AddMetrics)]


def system(view: SystemView) -> SystemView:
    """What neither the order of commits nor the settings of the executor decide."""
    return replace(view, number=0, experiments={})


@pytest.mark.parametrize("case", METHODS)
@examples(3)
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
    return bright_or_dark(tmp_path)


@pytest.mark.usefixtures("threads")
def test_two_workers_grow_the_system_that_one_process_grows(spec: ExperimentSpec, tmp_path: Path) -> None:
    told: list[Tick] = []
    heard: list[Tick] = []
    inline = grown(spec, tmp_path / "inline", "inline", watch=told.append)
    processes = grown(spec, tmp_path / "processes", "processes", 2, heard.append)
    assert_same(processes, inline)
    assert measures(processes.store) == measures(inline.store)
    assert system(processes.view()) == system(inline.view())
    assert len(told) == 4 * spec.train.cycles
    assert sorted(heard, key=repr) == sorted(told, key=repr)


@pytest.mark.parametrize("workers", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 4))])
@pytest.mark.usefixtures("threads")
def test_rounds_of_workers_are_those_of_this_process(
    spec: ExperimentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)  # on fewer they are slow, and refused
    rounds = in_rounds(spec)
    inline = grown(rounds, tmp_path / "inline", "inline")
    assert_same(grown(rounds, tmp_path / "processes", "processes", workers), inline)
