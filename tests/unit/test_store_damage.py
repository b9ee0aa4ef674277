"""Damage is noticed, named and never made worse; other formats are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from taskgrove.domain.errors import (
    BadValueError,
    EnvironmentFailure,
    StorageAccessError,
    StoreCorruptError,
    StoreError,
    StoreFormatError,
    StorePathError,
    UnknownNameError,
)
from taskgrove.domain.ids import BlobId, CommitId
from taskgrove.domain.records import Commit, FinishChild
from taskgrove.store.backends import open_backend
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.codec import encode
from taskgrove.store.header import VERSION
from taskgrove.store.keys import blob_id, blob_key, record_key
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.faults import FaultyBackend
from taskgrove.testing.scripts import add_root, add_task, life, play

ROOT_STEP, ROOT = add_root()
HEAD = blob_id(ROOT_STEP.blobs[1])


def lived() -> MemoryBackend:
    backend = MemoryBackend()
    play(Store.create(backend), life())
    return backend


def flip(backend: MemoryBackend, key: str, place: int = -40) -> None:
    damaged = bytearray(backend.get(key) or b"")
    damaged[place] ^= 4
    backend.put(key, bytes(damaged))


def test_a_sound_store_has_no_problems() -> None:
    report = check(lived())
    assert report.ok
    assert report.problems == ()
    assert report.num_commits == len(life())
    assert report.num_blobs == len({data for step in life() for data in step.blobs})
    assert (report.num_orphans, report.orphan_bytes) == (0, 0)


def test_orphans_and_temporary_files_are_no_problem(tmp_path: Path) -> None:
    store = Store.create(LocalBackend(tmp_path))
    play(store, life()[:4])
    store.put_blob(b"orphan")
    (tmp_path / "log/main/.tmp-1").write_bytes(b"half a rec")
    (tmp_path / ".tmp-2").write_bytes(b"")
    report = check(LocalBackend(tmp_path))
    assert report.ok
    assert (report.num_orphans, report.orphan_bytes) == (1, 6)
    assert Store.open(LocalBackend(tmp_path)).view().number == 3


@pytest.mark.parametrize("number", [0, 5, len(life()) - 1])
def test_a_damaged_record_is_noticed_at_once(number: int) -> None:
    backend = lived()
    reader = Store.open(backend, writable=False)
    flip(backend, record_key(number))
    with pytest.raises(StoreError, match=record_key(number)):
        Store.open(backend)
    with pytest.raises(StoreError, match=record_key(number)):
        list(reader.history())
    report = check(backend)
    assert report.num_commits == number
    assert f"Commit {number}" in report.problems[0]


def test_a_truncated_record_is_noticed() -> None:
    backend = lived()
    backend.put(record_key(3), (backend.get(record_key(3)) or b"")[:-30])
    with pytest.raises(StoreCorruptError, match="not a record"):
        Store.open(backend)
    assert "not a record" in check(backend).problems[0]


def test_a_replaced_record_breaks_the_chain() -> None:
    backend, other = lived(), MemoryBackend()
    play(Store.create(other), [add_task("x"), *life()])
    backend.put(record_key(2), other.get(record_key(2)) or b"")
    with pytest.raises(StoreCorruptError, match="A record was replaced"):
        Store.open(backend)
    assert "A record was replaced" in check(backend).problems[0]


def test_a_record_under_another_number_is_noticed() -> None:
    backend = lived()
    last = len(life()) - 1
    backend.put(record_key(last), backend.get(record_key(last - 1)) or b"")
    with pytest.raises(StoreCorruptError, match=f"holds commit {last - 1}"):
        Store.open(backend)


def test_nothing_is_written_into_a_gap() -> None:
    backend = lived()
    backend.delete([record_key(4)])
    for writable in (True, False):
        with pytest.raises(StoreCorruptError, match=r"000000004\.json is missing"):
            Store.open(backend, writable)
    report = check(backend)
    assert report.num_commits == 4
    assert f"{len(life()) - 4} numbers are missing" in report.problems[0]


def commit_by_force(backend: MemoryBackend, commit: Commit) -> None:
    assert backend.put_new(record_key(commit.number), encode(commit))


def test_a_record_against_the_rules_is_found_by_check() -> None:
    backend = MemoryBackend()
    store = Store.create(backend)
    first = store.commit(add_task("a").operation)
    again = Commit(number=1, previous=store.state.head, id=CommitId("x"), time=0.0, operation=first.operation)
    commit_by_force(backend, again)
    assert "a task named 'a' already" in check(backend).problems[0]


def test_a_record_that_cannot_be_applied_is_damage() -> None:
    backend = MemoryBackend()
    store = Store.create(backend)
    child = next(step.operation for step in life() if isinstance(step.operation, FinishChild))
    commit_by_force(backend, Commit(number=0, previous="", id=CommitId("x"), time=0.0, operation=child))
    with pytest.raises(StoreCorruptError, match="contradicts the log"):
        store.refresh()
    assert "No iteration of task 'a' is open" in check(backend).problems[0]


def test_a_damaged_blob_is_named_with_its_users() -> None:
    backend = lived()
    store = Store.open(backend)
    flip(backend, blob_key(HEAD), 0)
    with pytest.raises(StoreCorruptError, match=f"used by root model {ROOT.id[:12]}"):
        store.get_blob(HEAD)
    assert "another sha256" in check(backend).problems[0]
    assert check(backend, deep=False).ok


def test_a_missing_blob_is_named_with_its_users() -> None:
    backend = lived()
    store = Store.open(backend)
    data = blob_id(b"data of a")
    assert store.get_blob(data) == b"data of a"
    backend.delete([blob_key(data)])
    with pytest.raises(StoreCorruptError, match="used by the data of task 'a'"):
        store.get_blob(data)
    for deep in (True, False):
        (problem,) = check(backend, deep=deep).problems
        assert "is missing; the data of task 'a'" in problem


def test_an_unused_blob_says_so() -> None:
    with pytest.raises(StoreCorruptError, match="used by no live model"):
        Store.create(MemoryBackend()).get_blob(BlobId("0" * 64))


def test_a_place_without_a_store_is_refused(tmp_path: Path) -> None:
    for backend in (MemoryBackend(), LocalBackend(tmp_path / "absent")):
        with pytest.raises(StorePathError, match="holds no store"):
            Store.open(backend)
    assert not (tmp_path / "absent").exists()
    with pytest.raises(StorePathError, match="holds no store"):
        check(MemoryBackend())


def test_a_lost_header_is_damage_where_there_is_a_log() -> None:
    backend = lived()
    backend.delete(["taskgrove.json"])
    report = check(backend)
    assert report.num_commits == len(life())
    assert "holds no store" in report.problems[0]


def test_a_store_is_created_only_where_nothing_is(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    Store.create(backend)
    with pytest.raises(StorePathError, match="not empty"):
        Store.create(backend)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x")
    with pytest.raises(StorePathError, match=r"thesis\.tex"):
        Store.create(LocalBackend(tmp_path / "other"))


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(version=1),
        lambda header: header.update(version=VERSION + 1),
        lambda header: header.update(format="icegrove"),
        lambda header: header.update(hash="md5"),
        lambda header: header.pop("uuid"),
    ],
)
def test_another_format_is_refused(change: Callable[[dict[str, object]], object]) -> None:
    backend = lived()
    header = json.loads(backend.get("taskgrove.json") or b"")
    change(header)
    backend.put("taskgrove.json", json.dumps(header).encode())
    for writable in (True, False):
        with pytest.raises(StoreFormatError):
            Store.open(backend, writable)
    report = check(backend)
    assert len(report.problems) == 1
    assert report.num_commits == len(life())


def test_a_reader_writes_nothing() -> None:
    verbs: list[str] = []
    backend = FaultyBackend(lived(), lambda _, verb: verbs.append(verb))
    reader = Store.open(backend, writable=False)
    reader.get_blob(HEAD)
    reader.view(3)
    list(reader.history())
    check(backend)
    assert set(verbs) == {"get", "size", "list"}


def test_a_read_only_folder_can_be_read_but_not_opened_for_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(Store.create(LocalBackend(tmp_path)), life())

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    # The superuser may write anywhere, so the folder's mode would prove nothing.
    monkeypatch.setattr("taskgrove.store.disk.durable.write_file", refuse)
    reader = Store.open(LocalBackend(tmp_path), writable=False)
    assert reader.view().number == len(life()) - 1
    assert reader.get_blob(HEAD) == ROOT_STEP.blobs[1]
    assert check(LocalBackend(tmp_path)).ok
    with pytest.raises(StorageAccessError, match="Check who owns"):
        Store.open(LocalBackend(tmp_path))


def test_stores_are_opened_by_path_or_url(tmp_path: Path) -> None:
    place = tmp_path / "my store"
    for text in (str(place), f"file:{place}", f"file://{tmp_path}/my%20store", f"file://localhost{place}"):
        backend = open_backend(text)
        assert isinstance(backend, LocalBackend)
        assert backend.root == place
    relative = open_backend("file:a/b")
    assert isinstance(relative, LocalBackend)
    assert relative.root == Path("a/b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no storage"),
        ("ftp://host/x", "no .* named 'ftp'.*Known: .*file, .*local, memory, s3.*write ./ before it"),
        ("file:", "names no folder"),
        ("file://host/x", "names no folder"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadValueError if "ftp" not in text else UnknownNameError, match=message):
        open_backend(text)


def test_a_backend_is_opened_by_its_name(tmp_path: Path) -> None:
    backend = open_backend(f"local:{tmp_path}")
    assert isinstance(backend, LocalBackend)
    assert backend.root == tmp_path


def test_a_path_that_cannot_be_looked_at_is_an_environment_failure() -> None:
    with pytest.raises(EnvironmentFailure, match="Could not look at"):
        open_backend("x" * 5000)


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorePathError, match="is a file"):
        open_backend(str(tmp_path / "file"))
