"""The index is only a cache: whatever happens to its file, or to the log, answers are right."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from taskgrove.domain.errors import StoreFormatError, UnknownNameError
from taskgrove.domain.ids import ComponentId, TaskName
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.header import new_header, put_header
from taskgrove.store.index.answers import Best
from taskgrove.store.index.index import Index
from taskgrove.store.keys import record_key
from taskgrove.store.store import Store
from taskgrove.testing.scripts import life, note, play, tag

STEPS = life(("a", "b"), iterations=3)


@pytest.fixture
def store() -> Store:
    made = Store.create(MemoryBackend())
    play(made, STEPS)
    return made


def bests(store: Store, folder: Path | None) -> tuple[Best, ...]:
    """An answer that needs all of the log."""
    with Index(store, folder, at_once=10) as index:
        assert index.number == store.state.view.number
        return index.bests()


def file_in(folder: Path) -> Path:
    (found,) = folder.glob("*.sqlite")
    return found


def overwrite(start: int, data: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(start)
            file.write(data)

    return damage


def execute(*statements: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        for statement in statements:
            connection.execute(statement)
        connection.close()

    return damage


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: os.truncate(path, 5000),
    "something else": lambda path: path.write_text("not a database " * 1000),
    "a torn header": overwrite(0, b"\0" * 100),
    "pages of zeros": overwrite(4096, b"\0" * 40960),
    "noise": overwrite(4096, bytes(range(256)) * 200),
    "another schema": execute("PRAGMA user_version = 99"),
    "no progress": execute("DELETE FROM progress"),
    "a missing table": execute("DROP TABLE names"),
    "rows of the future": execute("INSERT INTO tags VALUES (40, 'x', 1)", "UPDATE progress SET number = 39"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_file_is_built_anew(damage: Callable[[Path], object], store: Store, tmp_path: Path) -> None:
    right = bests(store, None)
    assert bests(store, tmp_path) == right
    damage(file_in(tmp_path))
    play(store, [*STEPS, tag("after", 3)])
    assert bests(store, tmp_path) == right
    assert bests(store, tmp_path) == right


def test_damage_that_is_met_by_a_question_is_repaired(store: Store, tmp_path: Path) -> None:
    right = bests(store, tmp_path)
    path = file_in(tmp_path)
    connection = sqlite3.connect(path)
    ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'bests'")
    connection.close()
    overwrite((page - 1) * 4096, b"\xff" * 4096)(path)
    with Index(store, tmp_path) as index:
        assert index.bests() == right
    assert bests(store, tmp_path) == right


def test_what_is_up_to_date_is_not_read_again(store: Store, tmp_path: Path) -> None:
    bests(store, tmp_path)
    backend = store.backend
    assert isinstance(backend, MemoryBackend)
    hidden = {record_key(number): backend.get(record_key(number)) for number in range(10)}
    backend.delete(hidden)
    assert bests(store, tmp_path)
    assert all(hidden.values())


def test_a_log_that_was_restored_from_a_backup_is_read_again(store: Store, tmp_path: Path) -> None:
    bests(store, tmp_path)
    backend = store.backend
    backend.delete(record_key(number) for number in range(20, len(STEPS)))
    restored = Store.open(backend)
    assert bests(restored, tmp_path) == bests(restored, None)
    for number in range(len(STEPS)):  # longer than before, and another from commit 20 on
        restored.commit(note(f"other {number}").operation)
    with Index(restored, tmp_path) as index, Index(restored, None) as fresh:
        assert (index.bests(), index.notes()) == (fresh.bests(), fresh.notes())
        assert len(index.notes()) == len(STEPS)


def test_stores_have_files_of_their_own(store: Store, tmp_path: Path) -> None:
    other = Store.create(MemoryBackend())
    play(other, STEPS[:12])
    right = bests(store, tmp_path), bests(other, tmp_path)
    assert len(list(tmp_path.glob("*.sqlite"))) == 2
    assert (bests(store, tmp_path), bests(other, tmp_path)) == right
    assert right[0] != right[1]


def test_answers_stay_until_the_update(store: Store, tmp_path: Path) -> None:
    with Index(store, tmp_path) as reader, Index(store, tmp_path) as other:
        store.commit(note("news").operation)
        other.update()
        assert (len(other.notes()), len(reader.notes())) == (1, 0)
        reader.update()
        assert len(reader.notes()) == 1


def test_a_place_that_cannot_be_written_costs_only_time(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="built in memory every time"):
        assert bests(store, tmp_path / "file") == bests(store, None)


def test_a_locked_file_is_left_to_its_owner(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bests(store, tmp_path)
    monkeypatch.setattr("taskgrove.store.index.database._WAIT_S", 0.05)
    owner = sqlite3.connect(file_in(tmp_path), isolation_level=None)
    owner.execute("BEGIN IMMEDIATE")
    store.commit(note("news").operation)
    with pytest.warns(RuntimeWarning, match="locked"), Index(store, tmp_path) as index:
        assert len(index.notes()) == 1
    owner.close()


def test_a_uuid_that_is_none_names_no_file(tmp_path: Path) -> None:
    backend = MemoryBackend()
    put_header(backend, replace(new_header(), version=3, uuid="../../escaped", checksum=""))
    with pytest.raises(StoreFormatError, match="is no uuid"):
        Index(Store.open(backend), tmp_path)


def test_unknown_ids_are_refused(store: Store) -> None:
    with Index(store, None) as index:
        nobody = ComponentId("0" * 64)
        with pytest.raises(UnknownNameError, match=f"component 0{{64}} up to commit {index.number}"):
            index.contributor(nobody)
        with pytest.raises(UnknownNameError, match="No model and no blob"):
            index.introduced(nobody)
        assert index.users(nobody) == ()
        assert index.iterations(TaskName("nobody's")) == ()


def test_the_neighbours_of_an_unknown_id_are_told(store: Store) -> None:
    with Index(store, None) as index:
        everything = sorted(one.id for digit in "0123456789abcdef" for one in index.find(digit))
        middle = len(everything) // 2
        between = everything[middle][:-1]
        assert {one.id for one in index.near(between)} & set(everything[middle - 1 : middle + 2])
        assert index.find("0" * 64) == ()


WRITER = """
import sys
from pathlib import Path
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.index.index import Index
from taskgrove.store.store import Store
store = Store.open(LocalBackend(Path(sys.argv[1])), writable=False)
with Index(store, Path(sys.argv[2]), at_once=3) as index:
    print(index.number, len(index.iterations("a")))
"""


def test_processes_may_bring_it_up_to_date_together(store: Store, tmp_path: Path) -> None:
    copy_to(tmp_path / "store", store)
    command = [sys.executable, "-c", WRITER, str(tmp_path / "store"), str(tmp_path / "index")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=60)[0].strip() for process in running}
    assert said == {f"{len(STEPS) - 1} 3"}
    assert all(process.returncode == 0 for process in running)


def copy_to(folder: Path, store: Store) -> None:
    """Write a store's objects as plain files."""
    for entry in store.backend.list(""):
        path = folder / entry.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.backend.get(entry.key) or b"")
    assert Store.open(LocalBackend(folder), writable=False).state == store.state
