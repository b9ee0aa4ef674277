"""Writers of one machine take turns, wait for nobody for long, and never for the dead."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from taskgrove.store import turns
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.store import Store
from taskgrove.store.turns import turn
from taskgrove.testing.scripts import note


def test_one_waits_for_the_other(tmp_path: Path) -> None:
    told: list[str] = []

    def second() -> None:
        with turn(tmp_path):
            told.append("second")

    with turn(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.02)
        told.append("first")
    thread.join()
    assert told == ["first", "second"]


def test_nobody_waits_long_for_one_that_does_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_LONGEST_S", 0.01)
    with turn(tmp_path), turn(tmp_path):
        pass


def test_a_turn_that_ends_with_an_error_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LONGEST_S", 60.0)
    with pytest.raises(OSError, match="disk"), turn(tmp_path):
        raise OSError("the disk")
    with turn(tmp_path):
        pass


def test_without_a_folder_there_are_no_turns(tmp_path: Path) -> None:
    with turn(tmp_path / "none"), turn(tmp_path / "none"):
        pass


def test_commits_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that commit at the same time lose nothing, and collide only where one had thought it was alone."""
    stores = [Store.create(LocalBackend(tmp_path)), Store.open(LocalBackend(tmp_path))]
    refused: list[str] = []
    create = LocalBackend.put_new

    def watched(self: LocalBackend, key: str, data: bytes) -> bool:
        created = create(self, key, data)
        if not created:
            refused.append(key)
        return created

    monkeypatch.setattr(LocalBackend, "put_new", watched)
    monkeypatch.setattr(turns, "_LONGEST_S", 60.0)
    threads = [threading.Thread(target=_write, args=(store, number)) for number, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [commit.number for commit in Store.open(LocalBackend(tmp_path)).history()] == list(range(40))
    assert len(refused) < 40


def _write(store: Store, number: int) -> None:
    for i in range(20):
        store.commit(note(f"{number}.{i}").operation)
