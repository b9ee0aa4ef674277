"""`kill -9` at random moments of a search: it ends with the same trials, and every branch is sound."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

import taskgrove
from taskgrove.experiment.places import check_store, open_store
from tests.forked import ended, kill, program, start
from tests.unit.small_searches import results, template, written


def words(folder: Path, trials: int) -> tuple[str, ...]:
    """The command that searches in a folder."""
    file, store, out = written(folder), folder / "grove", folder / "out"
    return ("search", str(file), "--store", str(store), "--out", str(out), "--trials", str(trials))


def kill_search(folder: Path, trials: int, pause_s: float) -> bool:
    """Kill a search some time after it has come further; False when it has ended before."""
    before, process = progress(folder), start(program, *words(folder, trials), out=folder / "said.txt")
    while process.is_alive() and progress(folder) == before:
        time.sleep(0.005)
    time.sleep(pause_s)
    killed = process.is_alive()
    kill(process)
    return killed


def progress(folder: Path) -> int:
    """Jobs that a search remembers, and trials that have ended."""
    out = folder / "out"
    return len([*(out / "memory" / "results").glob("*/*.json"), *(out / "trials").glob("*.json")])


def compare(folder: Path, trials: int, kills: int, seed: int) -> None:
    """A search that is killed gives what one gives that is not."""
    rng, killed, whole = random.Random(seed), folder / "killed", folder / "whole"
    killed.mkdir()
    whole.mkdir()
    times = sum(kill_search(killed, trials, rng.uniform(0.0, 0.25)) for _ in range(kills))
    assert times > kills // 2, "it ended before it could be killed"
    assert ended(start(program, *words(killed, trials), out=killed / "said.txt")) == 0
    spec, settings = template(whole)
    taskgrove.search(spec, whole / "grove", whole / "out", settings=settings, trials=trials)
    found, wanted = killed / "out", whole / "out"
    assert len(results(found)) == trials
    assert results(found) == results(wanted)
    for number in range(trials):
        stores = [out / "trials" / f"{number:04d}" for out in (found, wanted)]
        assert all(check_store(store).ok for store in stores)
        logs = [[c.operation for c in open_store(store).history()] for store in stores]
        assert logs[0] == logs[1]


def test_a_killed_search_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    compare(tmp_path, trials=2, kills=2, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_search_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    compare(tmp_path, trials=10, kills=16, seed=1)
