"""Agents on two machines that share only a store grow, in rounds, the system that one process grows."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from taskgrove.domain.records import AddMetrics, Claim
from taskgrove.experiment.api import open as open_grove
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.places import check_store, open_store
from taskgrove.experiment.role import Role
from taskgrove.tasks.base import RawData
from taskgrove.tasks.load import load_raw
from tests.conformance.servers import seaweedfs
from tests.crash.test_kill import write_task
from tests.forked import ended, program, start

EXPERIMENT = """
name = "two-machines"
seed = 7
schedule = "rounds"
device = "cpu"
root.member = "vit-tiny-test"
agent = { method = "mu2net_plus", iterations = 2, generations = 2, children = 3 }
score.scale = 0.9
train = { cycles = 1, batch_size = 16, precision = "fp32", threads = 1 }
"""
TASKS = ("bars", "spots")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as far as the library can tell: a cache of its own, and nothing else that another one has.

    Attributes:
        folder: For its cache and for what its processes say.
    """

    folder: Path

    def start(self, *words: str) -> ForkServerProcess:
        self.folder.mkdir(exist_ok=True)
        environment = {"TASKGROVE_CACHE": str(self.folder / "cache")}
        return start(program, *words, out=self.folder / "said.txt", environment=environment)

    def end(self, process: ForkServerProcess) -> None:
        assert ended(process) == 0, (self.folder / "said.txt").read_text()


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    tables = []
    for number, task in enumerate(TASKS):
        write_task(folder / f"{task}.npz", number + 1)
        tables.append(f'[[tasks]]\nname = "{task}"\nsource = "npz:{folder / task}.npz"\n')
    path = folder / "exp.toml"
    path.write_text(EXPERIMENT + "".join(tables))
    return path


@pytest.fixture(scope="module")
def by_one(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What one process grows that carries out the whole experiment."""
    folder = tmp_path_factory.mktemp("one")
    machine = Machine(folder / "machine")
    machine.end(machine.start("run", str(experiment), "--store", str(folder / "grove")))
    return system(str(folder / "grove"))


def by_two(experiment: Path, store: str, folder: Path) -> Mapping[str, Any]:
    """What two machines grow that are started at the same moment, each with an agent of its own task."""
    open_or_create(store, read_experiment(experiment).root)
    machines = {task: Machine(folder / f"machine of {task}") for task in TASKS}
    agents = {
        task: machine.start("agent", store, "--experiment", str(experiment), "--task", task)
        for task, machine in machines.items()
    }
    for task, machine in machines.items():
        machine.end(agents[task])
    assert check_store(store).problems == ()
    return system(store)


def system(place: str) -> Mapping[str, Any]:
    """All that the order of commits does not decide; what is measured of the whole system is not among it."""
    store = open_store(place)
    view = store.view()
    assert view.progress["two-machines"] == dict.fromkeys(TASKS, 2)
    operations = [commit.operation for commit in store.history()]
    return {
        "models": dict(view.models),
        "bests": dict(view.bests),
        "components": {c.id for model in view.models.values() for c in model.components},
        "selections": {task: dict(counts) for task, counts in view.selections.items()},
        "tests": {model: dict(splits) for model, splits in store.state.evaluations.items()},
        "operations": sorted(repr(one) for one in operations if not isinstance(one, Claim | AddMetrics)),
    }


def claimed(place: str) -> Mapping[str, str]:
    """Who has each task."""
    return {task: claim.holder for task, claim in open_store(place).state.claims.items()}


@pytest.mark.timeout(600)  # on whatever machine CI has
def test_two_machines_on_one_folder_grow_what_one_process_grows(
    experiment: Path, by_one: Mapping[str, Any], tmp_path: Path
) -> None:
    store = str(tmp_path / "grove")
    assert by_two(experiment, store, tmp_path) == by_one
    assert len(set(claimed(store).values())) == len(TASKS)


@pytest.mark.usefixtures("threads")
def test_agents_may_add_the_tasks_of_their_experiment_at_the_same_moment(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, together = read_experiment(experiment), Barrier(len(TASKS))
    open_or_create(tmp_path / "grove", spec.root)

    def loaded(source: str) -> RawData:
        together.wait(60)  # until both have seen that there is no such task
        return load_raw(source)

    def join(task: str) -> None:
        brief = replace(spec, agent=replace(spec.agent, iterations=1))
        open_grove(tmp_path / "grove").run(brief, role=Role(tasks=(task,), claims=True))

    monkeypatch.setattr("taskgrove.experiment.grove.load_raw", loaded)
    with ThreadPoolExecutor(len(TASKS)) as pool:
        list(pool.map(join, TASKS))
    assert dict(open_store(tmp_path / "grove").view().progress["two-machines"]) == dict.fromkeys(TASKS, 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_machines_on_one_bucket_grow_what_one_process_grows(
    experiment: Path, by_one: Mapping[str, Any], tmp_path: Path
) -> None:
    with seaweedfs(tmp_path / "server") as service:
        store = service.at("grove")
        assert by_two(experiment, store, tmp_path) == by_one
        assert len(set(claimed(store).values())) == len(TASKS)
