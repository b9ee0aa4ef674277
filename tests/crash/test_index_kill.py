"""`kill -9` while the index is brought up to date: what is left is a part of it, and answers are right."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from taskgrove.domain.ids import TaskName
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.index.index import Index
from taskgrove.store.store import Store
from taskgrove.testing.scripts import life, play
from tests.unit.test_index import copy_to

KILLS = 3
AT_ONCE = 20
WORKER = """
import os, signal, sys
from pathlib import Path
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.index.index import Index
from taskgrove.store.index.writer import Writer
from taskgrove.store.store import Store

write, last = Writer.write, int(sys.argv[3])

def dying(writer, commit):
    if commit.number == last:
        os.kill(os.getpid(), signal.SIGKILL)
    write(writer, commit)

Writer.write = dying
store = Store.open(LocalBackend(Path(sys.argv[1])), writable=False)
Index(store, Path(sys.argv[2]), at_once=int(sys.argv[4]))
"""


def killed(store: Path, folder: Path, last: int) -> None:
    """A process that dies in the middle of a transaction, when it comes to a commit."""
    command = [sys.executable, "-c", WORKER, str(store), str(folder), str(last), str(AT_ONCE)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL


def newest_in(folder: Path) -> int:
    """Number of the newest commit in the index that was left there."""
    (path,) = folder.glob("*.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT number FROM progress").fetchone()[0])


@pytest.mark.timeout(240)  # processes that load numpy, on whatever machine CI has
def test_after_kills_at_random_moments_every_answer_is_right(tmp_path: Path) -> None:
    made = Store.create(MemoryBackend())
    play(made, life(("a", "b", "c"), iterations=4))
    copy_to(tmp_path / "store", made)
    store = Store.open(LocalBackend(tmp_path / "store"), writable=False)
    with Index(store, None) as fresh:
        right = fresh.bests(), fresh.iterations(TaskName("a"))
    rng, last = random.Random(7), 0
    for _ in range(KILLS):  # each process goes on where the one before was killed
        last = rng.randrange(last + 1, last + 25)
        killed(tmp_path / "store", tmp_path / "index", last)
        assert newest_in(tmp_path / "index") == last - last % AT_ONCE - 1
    assert last < store.state.view.number
    with Index(store, tmp_path / "index", at_once=AT_ONCE) as index:
        assert (index.bests(), index.iterations(TaskName("a"))) == right
