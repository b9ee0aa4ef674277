"""`kill -9` of workers, and of the process that started them: the end is the same system."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from taskgrove.domain.records import FinishChild
from taskgrove.domain.view import SystemView
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.grove import Grove
from taskgrove.trainer.base import Tick
from tests.crash.test_kill import num_records, sound, write_task
from tests.crash.worker import run
from tests.forked import kill, running
from tests.unit.test_processes import gone

EXPERIMENT = """
name = "workers"
executor = "processes"
workers = 2
device = "cpu"
root.member = "vit-tiny-test"
agent = { iterations = 1, generations = 2, children = 4 }
train = { cycles = 3, batch_size = 16, precision = "fp32", threads = 1 }
[[tasks]]
name = "bars"
source = "npz:{folder}/bars.npz"
"""
End = tuple[SystemView, list[FinishChild]]
MODULE = "taskgrove.coordinator.workers.process"
RECORDS = 8
"""Root, task, start, begin, and four children of the first generation."""
KILLS = (1, 10)
"""At which ticks, of 24, a worker is killed."""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_task(folder / "bars.npz", 1)
    path = folder / "workers.toml"
    path.write_text(EXPERIMENT.replace("{folder}", str(folder)))
    return path


def finish(
    experiment: Path, store: Path, executor: str, watch: Callable[[Tick], None] = lambda _: None
) -> End:
    """Carry out, or continue, the run in this process to its end; what it gives."""
    spec = replace(read_experiment(experiment), executor=executor, workers=2 * (executor == "processes"))
    grove = open_or_create(store, spec.root)
    grove.run(spec, watch=watch)
    assert sound(store)
    return end_of(grove)


def end_of(grove: Grove) -> End:
    """The system, and all children by their place: what neither executor nor order decides."""
    done = [c.operation for c in grove.store.history() if isinstance(c.operation, FinishChild)]
    view = replace(grove.view(), number=0, experiments={})
    return view, sorted(done, key=lambda child: (child.generation, child.child))


@pytest.fixture(scope="module")
def undisturbed(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> End:
    return finish(experiment, tmp_path_factory.mktemp("undisturbed") / "grove", "inline")


def workers_of(parent: int) -> list[int]:
    """Ids of the workers that a process has."""
    command = ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = [line.split(maxsplit=2) for line in said.stdout.splitlines()]
    return sorted(int(pid) for pid, above, what in rows if int(above) == parent and MODULE in what)


@pytest.mark.usefixtures("threads")
def test_workers_that_are_killed_change_nothing(experiment: Path, undisturbed: End, tmp_path: Path) -> None:
    ticks: list[Tick] = []
    killed: list[int] = []
    rng = random.Random(2026)

    def kill_now_and_then(tick: Tick) -> None:
        ticks.append(tick)
        if len(ticks) in KILLS:
            killed.append(rng.choice(workers_of(os.getpid())))
            os.kill(killed[-1], signal.SIGKILL)

    ended = finish(experiment, tmp_path / "grove", "processes", kill_now_and_then)
    assert len(set(killed)) == len(KILLS)
    assert ended == undisturbed
    assert workers_of(os.getpid()) == []


def kill_midway(experiment: Path, store: Path) -> list[int]:
    """Begin the run in another process and kill that once a generation is recorded; gives its workers."""
    with running(run, experiment, store) as process:
        while num_records(store) < RECORDS and process.is_alive():
            time.sleep(0.002)
        assert process.pid is not None
        workers = workers_of(process.pid)
        kill(process)
        assert process.exitcode == -signal.SIGKILL, "it ended before it could be killed"
    return workers


def test_a_killed_run_leaves_no_worker_and_a_sound_store_and_goes_on(
    experiment: Path, undisturbed: End, tmp_path: Path
) -> None:
    store = tmp_path / "grove"
    workers = kill_midway(experiment, store)
    assert len(workers) == 2
    assert gone(workers)
    assert sound(store)
    assert finish(experiment, store, "inline") == undisturbed
