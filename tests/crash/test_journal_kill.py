"""`kill -9` in the middle of an append: what was not finished is cut off, and nobody's commit is lost."""

from __future__ import annotations

import os
import signal
import time
from itertools import count
from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest

from taskgrove.domain.ids import CommitId
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.keys import LOG
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.scripts import add_task, note, play
from tests.forked import ended, kill, running, start

DEATHS = 12
MOST = 6
"""Appends before a writer dies."""


def append(place: str, acked: str, name: str) -> None:
    """Commit without end, and note what was acknowledged."""
    store = Store.open(LocalBackend(Path(place)))
    with open(acked, "a", encoding="ascii", buffering=1) as said:
        for number in count():
            done = store.commit(note(f"{name} {number}").operation, id=CommitId(f"{name}-{number}"))
            said.write(f"{done.id} {done.number}\n")
            time.sleep(0.001)


def append_and_die(place: str, acked: str, name: str) -> None:
    """Die in the middle of a record; others who write to a log never write so little at once."""
    random, write = Random(name), os.write
    left = [random.randrange(1, MOST)]

    def dying(file: int, data: bytes) -> int:
        if f"/{LOG}0" in os.readlink(f"/proc/self/fd/{file}"):
            left[0] -= 1
            if not left[0]:
                write(file, data[: random.randrange(1, len(data))])
                os.kill(os.getpid(), signal.SIGKILL)
        return write(file, data)

    with patch.object(os, "write", dying):
        append(place, acked, name)


def found(path: Path) -> list[tuple[str, int]]:
    lines = path.read_text(encoding="ascii").splitlines()
    return [(name, int(number)) for name, number in (line.split() for line in lines)]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_writer_that_dies_inside_an_append_harms_nobody(tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    play(Store.create(LocalBackend(Path(place))), [add_task("a")])
    with (
        running(append, place, str(tmp_path / "one.acked"), "one"),
        running(append, place, str(tmp_path / "two.acked"), "two"),
    ):
        for life in range(DEATHS):
            process = start(append_and_die, place, str(tmp_path / f"{life}.acked"), f"dying-{life}")
            assert ended(process) == -signal.SIGKILL
    report = check(LocalBackend(Path(place)))
    assert report.problems == ()
    logged = {(commit.id, commit.number) for commit in Store.open(LocalBackend(Path(place))).history()}
    for path in tmp_path.glob("*.acked"):
        assert {*found(path)} <= logged
    assert len(found(tmp_path / "one.acked")) > DEATHS
    assert len(found(tmp_path / "two.acked")) > DEATHS


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_what_the_last_writer_left_unfinished_is_told_until_another_writes(tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    play(Store.create(LocalBackend(Path(place))), [add_task("a")])
    process = start(append_and_die, place, str(tmp_path / "acked"), "dying")
    assert ended(process) == -signal.SIGKILL
    kill(process)
    report = check(LocalBackend(Path(place)))
    assert (report.problems, len(report.unfinished)) == ((), 1)
    done = len(found(tmp_path / "acked"))
    again = Store.open(LocalBackend(Path(place))).commit(note("the same again").operation)
    assert again.number == done + 1
    assert check(LocalBackend(Path(place))).unfinished == ()
