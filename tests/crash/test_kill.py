"""`kill -9` at random moments of a real run: the end is the same system, and nothing is ever damaged."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import numpy as np
import pytest

from taskgrove.domain.errors import StorePathError
from taskgrove.domain.records import Commit, FinishChild
from taskgrove.experiment.api import open as open_grove
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.places import check_store
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.keys import LOG
from tests.crash.worker import run
from tests.forked import ended, kill, running

EXPERIMENT = """
name = "crash"
seed = 7
[root]
member = "vit-tiny-test"
[agent]
method = "mu2net_plus"
iterations = {iterations}
generations = 2
children = {children}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Of an experiment, and how often it is killed."""

    iterations: int
    children: int
    kills: int


SIZES = {"short": Size(iterations=2, children=2, kills=8), "long": Size(iterations=3, children=4, kills=20)}


def write_task(path: Path, seed: int) -> None:
    """Noisy images of three classes, each brighter in another place."""
    rng = np.random.default_rng(seed)
    labels = np.arange(240) % 3
    images = rng.integers(0, 120, (240, 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2, seed % 4 :] += 100
    np.savez(path, x_train=images[:200], y_train=labels[:200], x_test=images[200:], y_test=labels[200:])


@pytest.fixture(scope="module", params=[pytest.param("short"), pytest.param("long", marks=pytest.mark.slow)])
def size(request: pytest.FixtureRequest) -> Size:
    return SIZES[str(request.param)]


@pytest.fixture(scope="module")
def experiment(size: Size, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_task(folder / "bars.npz", 1)
    write_task(folder / "spots.npz", 2)
    path = folder / "crash.toml"
    path.write_text(EXPERIMENT.format(folder=folder, iterations=size.iterations, children=size.children))
    return path


def kill_after(process: ForkServerProcess, records: int, store: Path, seconds: float) -> bool:
    """Kill a process some time after it has written so many more records; False when it ended before.

    On a busy machine we may be late by several records, and there is no moment left at the end of a run.
    """
    target = num_records(store) + records
    while num_records(store) < target and process.is_alive():
        time.sleep(0.002)
    time.sleep(seconds)
    if not process.is_alive():
        return False
    kill(process)
    return True


def num_records(store: Path) -> int:
    """How many records the log holds at this moment."""
    return sum(1 for _ in LocalBackend(store).list(LOG))


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


@pytest.fixture(scope="module")
def whole(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A store of the run that nobody kills, and seconds per record."""
    store = tmp_path_factory.mktemp("whole") / "grove"
    started = time.monotonic()
    with running(run, experiment, store) as process:
        assert ended(process) == 0
    return store, (time.monotonic() - started) / num_records(store)


@pytest.mark.timeout(600)  # on whatever machine CI has
def test_killed_at_random_moments_the_run_ends_with_the_same_system(
    experiment: Path, size: Size, whole: tuple[Path, float], tmp_path: Path
) -> None:
    store, each_s = whole
    killed, rng, numbers = tmp_path / "killed", random.Random(2026), []
    for _ in range(size.kills):
        with running(run, experiment, killed) as process:
            # What a restart repeats (data, kernels) takes longer than a child, so a kill by the clock alone
            # would never let the run get anywhere.
            if not kill_after(process, rng.choice((0, 1, 1, 2)), killed, rng.uniform(0.0, 2 * each_s)):
                break
        assert sound(killed)
        numbers.append(num_records(killed))
    with running(run, experiment, killed) as process:
        assert ended(process) == 0
    assert sound(killed)
    assert len(set(numbers)) >= size.kills // 2, f"the kills hit too few places: {numbers}"
    assert contents(killed) == contents(store)


@pytest.mark.usefixtures("threads")
def test_the_run_is_the_same_in_another_process_and_another_with_another_seed(
    experiment: Path, whole: tuple[Path, float], tmp_path: Path
) -> None:
    spec = read_experiment(experiment)
    for name, seed in (("same", 7), ("other", 8)):
        open_or_create(tmp_path / name, spec.root).run(replace(spec, seed=seed))
    one, same, other = map(contents, (whole[0], tmp_path / "same", tmp_path / "other"))
    assert one == same
    models = [
        {c.model.id for _, _, c in log if isinstance(c, FinishChild) and c.model} for log in (one, other)
    ]
    assert models[0].isdisjoint(models[1])
