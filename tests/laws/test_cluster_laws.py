"""Law 3 beyond one machine: a cluster grows the system that one process grows, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskgrove.coordinator.executors.futures import FuturesExecutor
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import ExperimentSpec
from taskgrove.trainer.base import Tick
from tests.laws.runs import EXPERIMENT, assert_same, bright_or_dark, grown, in_rounds
from tests.unit.ray_cluster import Nodes, needs_ray, ray_cluster

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("threads"), pytest.mark.timeout(300)]
CHILDREN = 3 * 2 * 4
"""Of three tasks and two iterations, four each."""


@pytest.fixture
def rounds(tmp_path: Path) -> ExperimentSpec:
    return in_rounds(bright_or_dark(tmp_path))


@pytest.fixture
def undisturbed(rounds: ExperimentSpec, tmp_path: Path) -> Grove:
    return grown(rounds, tmp_path / "inline", "inline")


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with ray_cluster(1, 1, 1) as nodes:
        yield nodes


@needs_ray
def test_rounds_on_three_nodes_are_those_of_one_process(
    rounds: ExperimentSpec, undisturbed: Grove, nodes: Nodes, tmp_path: Path
) -> None:
    heard: list[Tick] = []
    assert_same(grown(rounds, tmp_path / "ray", "ray", watch=heard.append), undisturbed)
    assert len(heard) == CHILDREN * rounds.train.cycles


@needs_ray
def test_an_actor_that_is_killed_loses_nothing(
    rounds: ExperimentSpec, undisturbed: Grove, nodes: Nodes, tmp_path: Path
) -> None:
    killed: list[int] = []
    ticks: list[Tick] = []

    def kill_now_and_then(tick: Tick) -> None:
        ticks.append(tick)
        if len(ticks) in (3, 20):
            killed.append(nodes.actors()[0])
            os.kill(killed[-1], signal.SIGKILL)

    assert_same(grown(rounds, tmp_path / "ray", "ray", watch=kill_now_and_then), undisturbed)
    assert len(set(killed)) == 2


@needs_ray
def test_a_node_that_is_killed_loses_nothing(
    rounds: ExperimentSpec, undisturbed: Grove, nodes: Nodes, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_once(tick: Tick) -> None:
        if not killed and len(nodes.actors()) == 3:
            killed.extend(nodes.kill(2))

    assert_same(grown(rounds, tmp_path / "ray", "ray", watch=kill_once), undisturbed)
    assert len(killed) == 1


def test_rounds_on_dask_are_those_of_one_process(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs Dask's distributed")
    spec = bright_or_dark(tmp_path)
    groves = [open_or_create(tmp_path / name, EXPERIMENT.root) for name in ("dask", "inline")]
    for grove in groves:
        for name in "abc":
            grove.add_task(name, spec.tasks[0].source)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pool = FuturesExecutor(client.get_executor(pure=False), workers=2)
        grow_in_rounds(groves[0], pool)
    grow_in_rounds(groves[1], "inline")
    assert_same(*groves)


def grow_in_rounds(grove: Grove, executor: FuturesExecutor | str) -> None:
    grove.grow(
        iterations=2,
        options=EXPERIMENT.agent.options,
        train=EXPERIMENT.train,
        score=EXPERIMENT.score,
        schedule="rounds",
        device="cpu",
        executor=executor,
    )
