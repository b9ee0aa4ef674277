"""An experiment under torchrun: the system of one process, up to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import taskgrove
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Model
from tests.forked import ended, program, ranks

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


@dataclass(frozen=True, slots=True)
class Done:
    """What two processes with the same command line have said, and whether both ended well."""

    well: bool
    out: str
    err: str


def by_torchrun(_: Path, *words: str) -> Done:
    command, environment = [sys.executable, *TORCHRUN, *words], {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return Done(done.returncode == 0, done.stdout, done.stderr)


def as_torchrun_does(folder: Path, *words: str) -> Done:
    """The same without loading torch three times."""
    codes = [ended(process) for process in ranks(2, program, *words, said=folder)]
    out, err = (
        "".join((folder / f"{rank}.{end}").read_text() for rank in range(2)) for end in ("out", "err")
    )
    return Done(codes == [0, 0], out, err)


Start = Callable[..., Done]
starts = pytest.mark.parametrize(
    "start", [as_torchrun_does, pytest.param(by_torchrun, marks=pytest.mark.slow)]
)


def best(grove: taskgrove.Grove) -> Model:
    """The task's published model."""
    model = grove.view().best(TaskName("greek"))
    assert model is not None
    return model


@starts
def test_torchrun_grows_the_system_of_one_process(start: Start, tmp_path: Path) -> None:
    path, store = tmp_path / "experiment.toml", tmp_path / "two"
    path.write_text(EXPERIMENT, encoding="utf-8")
    done = start(tmp_path, "run", str(path), "--store", str(store))
    assert done.well, done.err
    assert done.out.count("greek") == 1, "only the process that leads prints the table"
    one = taskgrove.run(taskgrove.read_experiment(path), tmp_path / "one")
    found, expected = best(taskgrove.open(store, writable=False)), best(one)
    assert (found.generation, found.child, found.seed) == (expected.generation, expected.child, expected.seed)
    assert found.quality == pytest.approx(expected.quality, abs=0.02)
    report = taskgrove.check_store(store)
    assert report.ok
    assert report.num_orphans == 0


@starts
def test_commands_that_cannot_share_their_work_are_refused(start: Start, tmp_path: Path) -> None:
    store = tmp_path / "grove"
    grove = taskgrove.create(store, root="vit-tiny-test")
    grove.add_task("greek", "glyphs:greek?per_class=5")
    done = start(tmp_path, "grow", str(store))
    assert not done.well
    assert "only `taskgrove run` and `taskgrove.run` share their work out" in done.err
