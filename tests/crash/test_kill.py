"""`kill -9` at random moments of a real run: the end is the same system, and nothing is ever damaged."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from taskgrove.domain.errors import StorePathError
from taskgrove.domain.records import Commit, FinishChild
from taskgrove.experiment.api import open as open_grove
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.places import check_store

KILLS = 20
EXPERIMENT = """
name = "crash"
seed = 7
[root]
member = "vit-tiny-test"
[agent]
method = "mu2net_plus"
iterations = 3
generations = 2
children = 4
[score]
scale = 0.9
[train]
cycles = 2
batch_size = 16
precision = "fp32"
threads = 1
[[tasks]]
name = "bars"
source = "npz:{folder}/bars.npz"
[[tasks]]
name = "spots"
source = "npz:{folder}/spots.npz"
"""


def write_task(path: Path, seed: int) -> None:
    """Noisy images of three classes, each brighter in another place."""
    rng = np.random.default_rng(seed)
    labels = np.arange(240) % 3
    images = rng.integers(0, 120, (240, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2, seed % 4 :] += 100
    np.savez(path, x_train=images[:200], y_train=labels[:200], x_test=images[200:], y_test=labels[200:])


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_task(folder / "bars.npz", 1)
    write_task(folder / "spots.npz", 2)
    path = folder / "crash.toml"
    path.write_text(EXPERIMENT.format(folder=folder))
    return path


class Worker:
    """One process that runs the experiment when told to."""

    def __init__(self, experiment: Path, store: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), str(experiment), str(store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self) -> None:
        """Let it run, once it has loaded."""
        assert self._process.stdin is not None
        assert self._line() == "ready"
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        assert self._line() == "begun"

    def kill_after(self, records: int, store: Path, seconds: float) -> None:
        """Kill it some time after it has written so many more records."""
        target = num_records(store) + records
        while num_records(store) < target and self._process.poll() is None:
            time.sleep(0.002)
        time.sleep(seconds)
        assert self._process.poll() is None, "it ended before it could be killed"
        self._process.send_signal(signal.SIGKILL)
        self.close()

    def finish(self) -> None:
        """Let it run to its end."""
        assert self._line() == "done"
        assert self._process.wait() == 0
        self.close()

    def close(self) -> None:
        """Free the process whatever it does."""
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def worker(experiment: Path, store: Path) -> Iterator[Worker]:
    made = Worker(experiment, store)
    try:
        yield made
    finally:
        made.close()


def num_records(store: Path) -> int:
    """How many records the log holds at this moment."""
    return len(list((store / "log").rglob("0*.json"))) if (store / "log").is_dir() else 0


def contents(store: Path) -> list[tuple[int, str, object]]:
    """The log without times: what must be the same, byte for byte, since models hold hashes."""
    history = open_grove(store, writable=False).store.history()
    return [_content(commit) for commit in history]


def _content(commit: Commit) -> tuple[int, str, object]:
    # A root's or task's commit id is drawn at random; all others derive from their position.
    known = commit.number > 2
    return commit.number, commit.id if known else "", commit.operation


def sound(store: Path) -> bool:
    """Whether the store passes its check; before its first byte there is nothing to check."""
    try:
        return check_store(store).ok
    except StorePathError:
        return True


@pytest.mark.timeout(600)  # twenty processes that load torch, on whatever machine CI has
def test_killed_at_random_moments_the_run_ends_with_the_same_system(experiment: Path, tmp_path: Path) -> None:
    with worker(experiment, tmp_path / "whole") as whole:
        whole.begin()
        started = time.monotonic()
        whole.finish()
        each_s = (time.monotonic() - started) / num_records(tmp_path / "whole")
    killed, rng, numbers = tmp_path / "killed", random.Random(2026), []
    with ExitStack() as workers:
        waiting = workers.enter_context(worker(experiment, killed))
        for _ in range(KILLS):
            current, waiting = waiting, workers.enter_context(worker(experiment, killed))
            current.begin()
            # What a restart repeats (imports aside: data, kernels) takes longer than a child, so a kill
            # by the clock alone would never let the run get anywhere.
            current.kill_after(rng.choice((0, 1, 1, 2)), killed, rng.uniform(0.0, 2 * each_s))
            assert sound(killed)
            numbers.append(num_records(killed))
        waiting.begin()
        waiting.finish()
        assert sound(killed)
    assert len(set(numbers)) >= KILLS // 2, f"the kills hit too few places: {numbers}"
    assert contents(killed) == contents(tmp_path / "whole")


def test_the_run_is_the_same_twice_and_another_with_another_seed(experiment: Path, tmp_path: Path) -> None:
    spec = read_experiment(experiment)
    for name, seed in (("one", 7), ("two", 7), ("other", 8)):
        open_or_create(tmp_path / name, spec.root).run(replace(spec, seed=seed))
    one, two, other = (contents(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    models = [
        {c.model.id for _, _, c in log if isinstance(c, FinishChild) and c.model} for log in (one, other)
    ]
    assert models[0].isdisjoint(models[1])
