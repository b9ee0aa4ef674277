"""An experiment under torchrun: the system of one process, up to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import taskgrove
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Model

ROOT = Path(__file__).parents[2]
EXPERIMENT = """
name = "together"
device = "cpu"

[root]
member = "vit-tiny-test"

[agent]
iterations = 1
generations = 1
children = 3

[train]
cycles = 2
batch_size = 15
samples_cap = 60
precision = "fp32"
threads = 1

[[tasks]]
name = "greek"
source = "glyphs:greek?per_class=5"
"""
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "taskgrove")


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    """A command of the program, given to two processes."""
    command, environment = [sys.executable, *TORCHRUN, *words], {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def best(grove: taskgrove.Grove) -> Model:
    """The task's published model."""
    model = grove.view().best(TaskName("greek"))
    assert model is not None
    return model


def test_torchrun_grows_the_system_of_one_process(tmp_path: Path) -> None:
    path, store = tmp_path / "experiment.toml", tmp_path / "two"
    path.write_text(EXPERIMENT, encoding="utf-8")
    done = torchrun("run", str(path), "--store", str(store))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("greek") == 1, "only the process that leads prints the table"
    one = taskgrove.run(taskgrove.read_experiment(path), tmp_path / "one")
    found, expected = best(taskgrove.open(store, writable=False)), best(one)
    assert (found.generation, found.child, found.seed) == (expected.generation, expected.child, expected.seed)
    assert found.quality == pytest.approx(expected.quality, abs=0.02)
    report = taskgrove.check_store(store)
    assert report.ok
    assert report.num_orphans == 0


def test_commands_that_cannot_share_their_work_are_refused(tmp_path: Path) -> None:
    store = tmp_path / "grove"
    grove = taskgrove.create(store, root="vit-tiny-test")
    grove.add_task("greek", "glyphs:greek?per_class=5")
    done = torchrun("grow", str(store))
    assert done.returncode != 0
    assert "only `taskgrove run` and `taskgrove.run` share their work out" in done.stderr
