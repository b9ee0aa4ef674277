"""The journal: what is unfinished, what is damage, who may write, and how records survive it all."""

from __future__ import annotations

import errno
import fcntl
import os
import pickle
import threading
import time
import zipfile
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from taskgrove.domain.errors import (
    EnvironmentFailure,
    StorageFullError,
    StoreCorruptError,
    StoreFormatError,
    UnsafeBackendError,
)
from taskgrove.domain.ids import CommitId
from taskgrove.store import log
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.disk import journal, layout, mounts, turn
from taskgrove.store.disk.frames import HEAD, framed, scan
from taskgrove.store.disk.layout import MARKER
from taskgrove.store.keys import LOG, record_key
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.heal import heal
from taskgrove.store.upkeep.mirror import mirror
from taskgrove.testing.scripts import life, note, play

LIFE = life(iterations=1)
NEWEST = len(LIFE) - 1
FIRST = f"{LOG}000000"
SAMPLE = Path(__file__).parents[1] / "samples" / "files_v4.zip"


@pytest.fixture
def backend(tmp_path: Path) -> LocalBackend:
    return LocalBackend(tmp_path / "store")


@pytest.fixture
def lived(backend: LocalBackend) -> LocalBackend:
    play(Store.create(backend), LIFE)
    return backend


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every folder lies on a network file system."""
    for module in (layout, journal):
        monkeypatch.setattr(module, "is_local", lambda _: False)


def file_of(backend: LocalBackend) -> Path:
    return backend.root / FIRST


def records(backend: LocalBackend) -> list[bytes]:
    return list(log.records(LocalBackend(backend.root), 0))


def test_records_of_a_thousand_lie_in_one_file_of_text(lived: LocalBackend) -> None:
    assert sorted(path.name for path in (lived.root / LOG).iterdir()) == [".layout", "000000"]
    lines = file_of(lived).read_text(encoding="ascii").splitlines()
    assert len(lines) == 2 * len(LIFE)
    assert lines[3].encode() == lived.get(record_key(1))
    assert lines[2].startswith(f"000000000001 {len(lines[3]):010d} ")
    assert sorted(entry.key for entry in lived.list("log/")) == list(map(record_key, range(len(LIFE))))


def test_a_listing_of_a_journal_finds_exactly_the_prefix(backend: LocalBackend) -> None:
    for number in (999, 0, 7, 70, 1000):
        assert backend.put_new(record_key(number), b"%d" % number)

    def found(prefix: str) -> set[str]:
        return {entry.key for entry in backend.list(prefix)}

    assert found("") == found("log/ma") == set(map(record_key, (0, 7, 70, 999, 1000)))
    assert found(FIRST) == found(f"{FIRST}/") == set(map(record_key, (0, 7, 70, 999)))
    assert found(f"{FIRST}/00000000") == set(map(record_key, (0, 7)))
    assert found("log/other") == found(f"{LOG}000002/") == set()
    assert [entry.size_bytes for entry in backend.list(record_key(1000))] == [4]


def test_records_are_created_once_in_any_order_replaced_and_deleted(backend: LocalBackend) -> None:
    assert all(backend.put_new(record_key(n), b"%d" % n) for n in (5, 3, 4))
    assert not backend.put_new(record_key(3), b"other")
    backend.put(record_key(4), b"longer than before")
    backend.put(record_key(9), b"")
    backend.delete([record_key(5), record_key(6)])
    other = LocalBackend(backend.root)
    for place in (backend, other):
        assert [place.get(record_key(n)) for n in (3, 4, 5, 9)] == [b"3", b"longer than before", None, b""]
        assert [place.size(record_key(n)) for n in (3, 5, 9)] == [1, None, 0]


def test_a_reader_sees_what_others_append_and_put_right(lived: LocalBackend) -> None:
    reader = Store.open(LocalBackend(lived.root), writable=False)
    Store.open(lived).commit(note("another").operation)
    assert reader.refresh().number == NEWEST + 1
    good = lived.get(record_key(2)) or b""
    lived.put(record_key(2), good[:-1])
    assert reader.backend.get(record_key(2)) == good[:-1]
    lived.put(record_key(2), good)
    assert reader.backend.get(record_key(2)) == good


def test_a_backend_with_a_journal_travels_to_another_process(lived: LocalBackend) -> None:
    again = pickle.loads(pickle.dumps(lived))
    assert again.get(record_key(0)) == lived.get(record_key(0))


@pytest.mark.parametrize("size", [1, 12, 41, 42, 50, 59])
def test_an_unfinished_tail_is_absent_told_and_cut_off(lived: LocalBackend, size: int) -> None:
    before, tail = records(lived), framed(NEWEST + 1, b"never acknowledged")
    with file_of(lived).open("ab") as file:
        file.write(tail[:size])
    assert records(lived) == before
    report = check(LocalBackend(lived.root))
    assert report.ok
    assert f"ends inside record {NEWEST + 1}, after {size} bytes" in report.unfinished[0]
    store = Store.open(LocalBackend(lived.root))
    store.commit(note("goes on").operation)
    assert [*records(lived)[:-1]] == before
    assert check(LocalBackend(lived.root)).unfinished == ()


@pytest.mark.parametrize("kept", [0, 1, 20, HEAD, HEAD + 5])
def test_zeros_up_to_the_end_are_an_unfinished_tail(lived: LocalBackend, kept: int) -> None:
    before, tail = records(lived), framed(NEWEST + 1, b"never acknowledged")
    with file_of(lived).open("ab") as file:
        file.write(tail[:kept] + bytes(len(tail) - kept + 4096))
    assert records(lived) == before
    assert len(check(LocalBackend(lived.root)).unfinished) == 1
    Store.open(LocalBackend(lived.root)).commit(note("goes on").operation)
    assert records(lived)[:-1] == before


def test_what_is_unfinished_for_a_day_is_swept(lived: LocalBackend) -> None:
    size = file_of(lived).stat().st_size
    with file_of(lived).open("ab") as file:
        file.write(b"000000000")
    assert lived.sweep(time.time() - 60) == 0
    assert lived.sweep(time.time() + 60) == 1
    assert file_of(lived).stat().st_size == size


@pytest.fixture
def noted(tmp_path: Path) -> LocalBackend:
    """A store with three notes, whose journal is small enough to be damaged everywhere."""
    store = Store.create(LocalBackend(tmp_path))
    for text in "abc":
        store.commit(note(text).operation)
    return LocalBackend(tmp_path)


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_flipped_bit_of_a_journal_is_told(noted: LocalBackend, step: int) -> None:
    """Of every third bit, which comes to bits of all values in all parts of a frame, or of every bit."""
    sound = file_of(noted).read_bytes()
    ends = [frame.end + 1 for frame in scan(sound).frames]
    for bit in range(0, 8 * len(sound), step):
        place, shift = divmod(bit, 8)
        file_of(noted).write_bytes(sound[:place] + bytes([sound[place] ^ 1 << shift]) + sound[place + 1 :])
        number = next(n for n, end in enumerate(ends) if place < end)
        with pytest.raises(StoreCorruptError, match=f"00000000{number}"):
            list(log.read(LocalBackend(noted.root), 0, ""))
        assert not LocalBackend(noted.root).put_new(record_key(number), b"in its place")


def test_every_cut_of_a_journal_is_told(noted: LocalBackend) -> None:
    sound = file_of(noted).read_bytes()
    ends = [0, *(frame.end + 1 for frame in scan(sound).frames)]
    for length in range(len(sound)):
        found = scan(sound[:length])
        whole = sum(end <= length for end in ends) - 1
        assert len(found.frames) == whole
        assert found.sound == (length in ends)
        assert found.unfinished == (None if length in ends else whole)


@pytest.mark.parametrize("number", range(len(LIFE)))
@pytest.mark.parametrize("where", [3, 20, HEAD - 2, HEAD + 40, -1])
def test_a_damaged_frame_is_named_and_healed(
    lived: LocalBackend, number: int, where: int, tmp_path: Path
) -> None:
    mirror(lived, LocalBackend(tmp_path / "mirror"))
    sound = file_of(lived).read_bytes()
    frame = scan(sound).frames[number]
    place = frame.end if where < 0 else frame.start - HEAD + where
    file_of(lived).write_bytes(sound[:place] + b"?" + sound[place + 1 :])
    report = check(LocalBackend(lived.root))
    assert any(f"Commit {number}:" in problem for problem in report.problems), report
    healed = heal(LocalBackend(lived.root), [LocalBackend(tmp_path / "mirror")])
    if number != NEWEST or where >= HEAD or where < 0:
        assert healed.keys == (record_key(number),)
        assert check(LocalBackend(lived.root)).problems == ()
        assert file_of(lived).read_bytes() == sound


def test_two_threads_and_two_backends_exclude_one_another(backend: LocalBackend) -> None:
    Store.create(backend)
    stores = [Store.open(LocalBackend(backend.root)) for _ in range(2)]

    def write(store: Store, name: str) -> None:
        for number in range(30):
            store.commit(note(f"{name} {number}").operation)

    threads = [
        threading.Thread(target=write, args=(s, f"{i} {k}")) for i, s in enumerate(stores) for k in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Store.open(LocalBackend(backend.root)).view().number == 119
    assert check(backend).problems == ()


def hold(root: str, entered: Event) -> None:
    with LocalBackend(Path(root)).turn():
        entered.set()
        time.sleep(60)


def test_a_turn_keeps_other_processes_waiting_until_it_is_killed(lived: LocalBackend) -> None:
    context = get_context("spawn")
    entered = context.Event()
    holder = context.Process(target=hold, args=(str(lived.root), entered))
    holder.start()
    entered.wait(30)
    done = threading.Event()
    store = Store.open(LocalBackend(lived.root))

    def wait() -> None:
        store.commit(note("waits").operation)
        done.set()

    writer = threading.Thread(target=wait)
    writer.start()
    assert not done.wait(0.2)
    assert records(lived) != []  # readers do not wait
    holder.kill()
    assert done.wait(10)
    writer.join()
    holder.join()


def test_a_lock_that_is_kept_too_long_is_told_with_who_keeps_it(
    lived: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "_PATIENCE_S", 0.05)
    store = Store.open(LocalBackend(lived.root))
    before = records(lived)
    with open(lived.root / MARKER, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(EnvironmentFailure, match=rf"Process {os.getpid()} has kept the lock"):
            store.commit(note("waits in vain").operation)
    assert records(lived) == before
    assert store.commit(note("goes on").operation).number == NEWEST + 1


def test_what_cannot_be_written_whole_leaves_the_file_as_it_was(
    lived: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, write = file_of(lived).stat().st_size, os.write

    def full(file: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[: len(data) // 2])

    store, more = Store.open(lived), note("too much").operation
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StorageFullError):
            store.commit(more)
    assert file_of(lived).stat().st_size == size
    store.commit(more)
    assert check(lived).problems == ()


def test_a_file_that_cannot_be_synced_is_written_anew(
    lived: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, before = Store.open(lived), file_of(lived).stat().st_ino
    fails = iter([True])

    def sync(file: int) -> None:
        if next(fails, False):
            raise OSError(errno.EIO, "Input/output error")
        os.fdatasync(file)

    store.commit(note("the first of this process").operation)
    monkeypatch.setattr("taskgrove.store.disk.turn.sync_appended", sync)
    store.commit(note("kept all the same").operation)
    assert file_of(lived).stat().st_ino != before
    assert Store.open(LocalBackend(lived.root)).view().number == NEWEST + 2


def test_a_commit_that_cannot_be_made_durable_is_not_acknowledged(
    lived: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(lived)
    state = store.state

    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, failing)
    with pytest.raises(EnvironmentFailure, match="Input/output error"):
        store.commit(note("lost, perhaps").operation)
    assert store.state == state


@pytest.fixture
def traced(lived: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written and synced, in order, by its name in the store."""
    events: list[str] = []
    write = os.write

    def name(file: int) -> str:
        return os.path.relpath(os.readlink(f"/proc/self/fd/{file}"), lived.root)

    def written(file: int, data: bytes) -> int:
        events.append(f"write {name(file)}")
        return write(file, data)

    def synced(file: int) -> None:
        events.append(f"sync {name(file)}")

    monkeypatch.setattr(os, "write", written)
    for sync in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, sync, synced)
    return events


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_record_is_synced_after_it_was_written(lived: LocalBackend, traced: list[str]) -> None:
    lived.put_new(record_key(NEWEST + 1), b"1")
    assert traced[-2:] == [f"write {FIRST}", f"sync {FIRST}"]
    del traced[:]
    lived.put_new(record_key(NEWEST + 2), b"1")
    assert traced == [f"write {FIRST}", f"sync {FIRST}"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_commit_that_is_there_already_is_synced_before_it_is_acknowledged(
    lived: LocalBackend, traced: list[str]
) -> None:
    store = Store.open(lived)
    newest = next(store.history(NEWEST))
    traced.clear()
    assert store.commit(newest.operation, id=newest.id).number == NEWEST
    assert f"sync {FIRST}" in traced
    assert not [event for event in traced if event.startswith("write")]


def test_after_a_sync_that_failed_for_good_the_next_turn_writes_the_file_anew(
    lived: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, before = Store.open(lived), file_of(lived).stat().st_ino

    def failing(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        for name in ("fsync", "fdatasync"):
            patch.setattr(os, name, failing)
        with pytest.raises(EnvironmentFailure):
            store.commit(note("twice").operation, id=CommitId("twice"))
    assert file_of(lived).stat().st_ino == before
    assert store.commit(note("twice").operation, id=CommitId("twice")).number == NEWEST + 1
    assert file_of(lived).stat().st_ino != before


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_thousand_is_synced_before_the_next_one_is_written(lived: LocalBackend, traced: list[str]) -> None:
    lived.put_new(record_key(1000), b"1")
    second = f"{LOG}000001"
    assert traced == [f"sync {FIRST}", "sync log/main", f"write {second}", f"sync {second}"]


def test_the_first_record_decides_for_all(backend: LocalBackend, far: None) -> None:
    play(Store.create(backend), LIFE[:2])
    assert (backend.root / MARKER).read_text() == "files\n"
    assert (backend.root / record_key(1)).is_file()


def test_a_store_that_began_on_a_network_keeps_its_files(
    backend: LocalBackend, far: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(Store.create(backend), LIFE[:2])
    monkeypatch.undo()
    play(Store.open(LocalBackend(backend.root)), LIFE)
    assert (backend.root / record_key(NEWEST)).is_file()
    assert check(LocalBackend(backend.root)).problems == ()


def test_a_journal_is_read_but_not_written_over_a_network(
    lived: LocalBackend, far: None, tmp_path: Path
) -> None:
    store = Store.open(LocalBackend(lived.root))
    assert store.view().number == NEWEST
    with pytest.raises(UnsafeBackendError, match=r"may not hold.*taskgrove mirror"):
        store.commit(note("over the network").operation)
    copy = LocalBackend(tmp_path / "copy")
    assert mirror(LocalBackend(lived.root), copy).ok
    Store.open(copy).commit(note("over the network").operation)
    assert (copy.root / record_key(NEWEST + 1)).is_file()


def test_an_older_store_has_no_marker_and_keeps_its_files(
    backend: LocalBackend, far: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(Store.create(backend), LIFE[:3])
    (backend.root / MARKER).unlink()
    monkeypatch.undo()
    play(Store.open(LocalBackend(backend.root)), LIFE)
    assert not (backend.root / MARKER).exists()
    assert (backend.root / record_key(NEWEST)).is_file()
    assert check(LocalBackend(backend.root)).problems == ()
    assert mirror(LocalBackend(backend.root), MemoryBackend()).number == NEWEST


def test_a_store_from_before_journals_keeps_its_files(tmp_path: Path) -> None:
    """The sample was written by the last version that knew nothing of journals."""
    with zipfile.ZipFile(SAMPLE) as archive:
        archive.extractall(tmp_path)
    store, steps = Store.open(LocalBackend(tmp_path)), life(("a", "b"), 1)
    assert [c.operation for c in store.history()] == [step.operation for step in steps]
    store.commit(note("grown by a newer version").operation)
    assert (tmp_path / record_key(len(steps))).is_file()
    assert not (tmp_path / MARKER).exists()
    assert check(LocalBackend(tmp_path)).problems == ()
    copy = LocalBackend(tmp_path / "copy")
    assert mirror(LocalBackend(tmp_path), copy).number == len(steps)
    assert (copy.root / FIRST).is_file()
    assert check(copy).problems == ()


def test_a_journal_that_lost_its_marker_on_the_way_gets_it_back(lived: LocalBackend) -> None:
    (lived.root / MARKER).unlink()
    assert Store.open(LocalBackend(lived.root), writable=False).view().number == NEWEST
    Store.open(LocalBackend(lived.root)).commit(note("goes on").operation)
    assert (lived.root / MARKER).read_text() == "journal\n"
    assert len(records(lived)) == len(LIFE) + 1


def test_a_layout_of_the_future_is_refused(lived: LocalBackend) -> None:
    (lived.root / MARKER).write_text("shelves\n")
    with pytest.raises(StoreFormatError, match=r"'shelves'.*knows journal, files"):
        LocalBackend(lived.root).get(record_key(0))


MOUNTS_TEXT = """\
21 1 254:0 / / rw - ext4 /dev/vda rw
22 21 0:40 / /home rw,relatime shared:1 - nfs4 server:/home rw
23 22 0:41 / /home/me/my\\040disk rw - xfs /dev/sdb rw
24 21 0:42 / /data rw - ext4 /dev/sdc rw
25 24 0:43 / /data rw - fuse.sshfs other:/ rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/grove", "ext4"),
        ("/home", "nfs4"),
        ("/homes/a", "ext4"),
        ("/home/me/grove", "nfs4"),
        ("/home/me/my disk/grove", "xfs"),
        ("/data/grove", "fuse.sshfs"),
    ],
)
def test_the_deepest_and_last_mount_tells_the_file_system(path: str, kind: str) -> None:
    assert mounts.kind_of(Path(path), MOUNTS_TEXT) == kind


def test_what_is_not_known_counts_as_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "nfs4" not in mounts.LOCAL
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "absent")
    assert not mounts.is_local(tmp_path)
