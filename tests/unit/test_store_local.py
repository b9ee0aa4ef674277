"""The folder backend: durable in the right order, and honest about what the system refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from taskgrove.domain.errors import (
    EnvironmentFailure,
    StorageAccessError,
    StorageFullError,
    UnsafeBackendError,
)
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.disk import durable, layout
from taskgrove.store.keys import record_key


class Trace:
    """Records which paths are synced, and when objects get their names."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.events: list[str] = []
        self.sync, self.link, self.rename = os.fsync, os.link, os.rename
        monkeypatch.setattr(os, "fsync", self._fsync)
        monkeypatch.setattr(os, "link", self._link)
        monkeypatch.setattr(os, "rename", self._rename)

    def _fsync(self, file: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{file}"))
        self.events.append(f"sync {'data' if path.name.startswith('.tmp-') else self._name(path)}")
        self.sync(file)

    def _link(self, source: Path, target: Path) -> None:
        self.events.append(f"name {self._name(target)}")
        self.link(source, target)

    def _rename(self, source: Path, target: Path) -> None:
        self.events.append(f"name {self._name(target)}")
        self.rename(source, target)

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self.root)


linux_only = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


@linux_only
@pytest.mark.parametrize("verb", ["put", "put_new"])
def test_data_is_synced_before_its_name_and_the_folder_after(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend(tmp_path)
    backend.put("a/0", b"")
    trace = Trace(tmp_path, monkeypatch)
    if verb == "put":
        backend.put("a/1", b"1")
    else:
        backend.put_new("a/1", b"1")
    assert trace.events == ["sync data", "name a/1", "sync a"]


@linux_only
def test_new_folders_are_synced_from_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(tmp_path, monkeypatch)
    LocalBackend(tmp_path / "new/store").put("a/b/1", b"1")
    assert trace.events == [
        *("sync .", "sync new", "sync new/store", "sync new/store/a"),
        *("sync data", "name new/store/a/b/1", "sync new/store/a/b"),
    ]


@linux_only
def test_folders_made_by_another_process_are_synced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    trace = Trace(tmp_path, monkeypatch)
    LocalBackend(tmp_path).put("a/1", b"1")
    assert trace.events[0] == "sync ."


@linux_only
def test_a_thousand_is_durable_before_the_next_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "is_local", lambda _: False)
    LocalBackend(tmp_path).put_new(record_key(999), b"1")
    trace = Trace(tmp_path, monkeypatch)
    LocalBackend(tmp_path).put_new(record_key(1000), b"1")
    before = trace.events[: trace.events.index(f"name {record_key(1000)}")]
    assert "sync log/main/000000" in before


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    backend.put_new("a", b"1")
    backend.put_new("a", b"2")
    backend.put("b", b"3")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:3]))
    backend = LocalBackend(tmp_path)
    assert backend.put_new("a", b"0123456789")
    assert backend.get("a") == b"0123456789"


def fail(monkeypatch: pytest.MonkeyPatch, call: str, code: int) -> None:
    def failing(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, failing)


@pytest.mark.parametrize(
    ("call", "code", "expected"),
    [
        ("write", errno.ENOSPC, StorageFullError),
        ("write", errno.EDQUOT, StorageFullError),
        ("write", errno.EIO, EnvironmentFailure),
        ("open", errno.EACCES, StorageAccessError),
        ("open", errno.EROFS, StorageAccessError),
        ("fsync", errno.EIO, EnvironmentFailure),
        ("fsync", errno.ENOSPC, StorageFullError),
        ("link", errno.ENOSPC, StorageFullError),
        ("link", errno.EPERM, UnsafeBackendError),
        ("link", errno.EOPNOTSUPP, UnsafeBackendError),
    ],
)
def test_errors_of_the_system_are_explained_and_leave_nothing(
    call: str, code: int, expected: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend(tmp_path)
    backend.put("kept", b"1")
    fail(monkeypatch, call, code)
    with pytest.raises(OSError, match=str(tmp_path)) as caught:
        backend.put_new("new", b"2")
    assert type(caught.value) is expected
    assert os.listdir(tmp_path) == ["kept"]


def test_a_failed_sync_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    backend = LocalBackend(tmp_path)
    backend.put("kept", b"1")

    def failing(file: int) -> None:
        calls.append(file)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(durable, "sync", failing)
    with pytest.raises(EnvironmentFailure):
        backend.put_new("new", b"2")
    assert len(calls) == 1


def test_a_link_that_worked_but_answered_exists_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link: Callable[[Path, Path], None] = os.link

    def repeated(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", repeated)
    backend = LocalBackend(tmp_path)
    assert backend.put_new("a", b"1")
    assert not backend.put_new("a", b"2")
    assert backend.get("a") == b"1"


def test_unreadable_places_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = LocalBackend(tmp_path)
    fail(monkeypatch, "scandir", errno.EACCES)
    with pytest.raises(StorageAccessError, match="Could not list"):
        list(backend.list(""))


def test_hidden_files_of_strangers_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_text("x")
    assert list(LocalBackend(tmp_path).list("")) == []
