"""Forks: nothing is copied, the parent keeps what they need, neither disturbs the other."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest

from taskgrove.domain.errors import BadValueError, StorageAccessError, StoreCorruptError, StorePathError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Condemn
from taskgrove.store.backends import open_backend
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.fork import open_place
from taskgrove.store.forked import ForkedBackend, owned
from taskgrove.store.header import HEADER, read_header
from taskgrove.store.keys import BLOBS, LOG, blob_id, blob_key, record_key
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.collect import collect
from taskgrove.store.upkeep.fork import Forked, fork_place
from taskgrove.store.upkeep.mirror import mirror
from taskgrove.store.upkeep.retention import Retention
from taskgrove.testing.backends import BackendSuite
from taskgrove.testing.scripts import Step, add_task, life, note, play, retire, tag

LIFE = life(iterations=1)
NEWEST = len(LIFE) - 1


class TestForkedBackend(BackendSuite):
    """A fork's storage is one like any other."""

    @pytest.fixture
    def backend(self) -> AbstractBackend:
        return ForkedBackend(MemoryBackend(), MemoryBackend(), 5)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("lived") / "parent"
    play(Store.create(LocalBackend(place)), LIFE)
    return place


@pytest.fixture
def parent(lived: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lived, tmp_path / "parent"))


@pytest.fixture
def child(tmp_path: Path) -> Path:
    return tmp_path / "child"


def fork(parent: Path, child: Path, number: int | None = None) -> Forked:
    return fork_place(str(parent), str(child), number)


def opened(place: Path, writable: bool = True) -> Store:
    return Store.open(open_place(str(place)), writable)


def grow(place: Path, *steps: Step) -> None:
    store = opened(place)
    for step in steps:
        for data in step.blobs:
            store.put_blob(data)
        store.commit(step.operation)


def garbage_collected(place: Path) -> int:
    return collect(opened(place), Retention(ancestors=0), grace_s=0).num_condemned


def keys(place: Path, prefix: str) -> set[str]:
    return {entry.key for entry in open_backend(str(place)).list(prefix)}


def test_a_fork_is_its_parent_at_the_commit_and_copies_nothing(parent: Path, child: Path) -> None:
    made = fork(parent, child)
    assert keys(child, "") == {HEADER}
    state = opened(child, writable=False).state
    assert (made.number, state) == (NEWEST, opened(parent).state_at(NEWEST))
    assert opened(parent).state.tags == {made.tag: NEWEST}
    assert read_header(open_backend(str(child))).uuid != read_header(open_backend(str(parent))).uuid
    assert check(open_place(str(child))).ok


def test_a_fork_and_its_parent_go_on_apart(parent: Path, child: Path) -> None:
    fork(parent, child, 9)
    grow(child, add_task("mine", b"data of mine"))
    grow(parent, add_task("yours"))
    assert set(opened(child).view().tasks) == {"a", "b", "mine"}
    assert set(opened(parent).view().tasks) == {"a", "b", "yours"}
    assert keys(child, LOG) == {record_key(10)}
    assert keys(child, BLOBS) == {blob_key(blob_id(b"data of mine"))}
    assert opened(child).get_blob(blob_id(b"data of a")) == b"data of a"
    for place in (parent, child):
        assert check(open_place(str(place))).ok
    assert [commit.number for commit in opened(child).history()] == [*range(11)]


def test_the_parent_keeps_what_was_live_at_the_fork(parent: Path, child: Path) -> None:
    fork(parent, child)
    live = opened(child).view().models
    grow(parent, retire("a"), retire("b"), note("empty"))
    assert garbage_collected(parent) > 0
    assert check(open_place(str(child))).ok
    assert check(open_place(str(parent))).ok
    assert opened(child).view().models == live
    assert garbage_collected(child) == 0


def test_a_fork_does_not_rely_on_what_was_dead_at_the_fork(parent: Path, child: Path) -> None:
    grow(parent, retire("b"))
    fork(parent, child)
    again = add_task("c", b"data of b")
    opened(child).commit(again.operation)  # the bytes are in the parent, which does not keep them for it
    assert keys(child, BLOBS) == {blob_key(blob_id(b"data of b"))}
    garbage_collected(parent)
    assert not keys(parent, blob_key(blob_id(b"data of b")))
    assert check(open_place(str(child))).ok


def test_a_forks_collector_deletes_only_its_own(parent: Path, child: Path) -> None:
    before = keys(parent, BLOBS)
    fork(parent, child)
    grow(child, add_task("c", b"data of c"), retire("c"), retire("a"), retire("b"))
    garbage_collected(child)
    assert keys(child, BLOBS) == set()
    assert keys(parent, BLOBS) == before
    assert any(isinstance(commit.operation, Condemn) for commit in opened(child).history())
    assert check(open_place(str(child))).ok


def test_only_own_blobs_are_orphans_of_a_fork(parent: Path, child: Path) -> None:
    opened(parent).put_blob(b"of the parent")
    fork(parent, child)
    opened(child).put_blob(b"of the fork")
    report = check(open_place(str(child)))
    assert (report.ok, report.num_orphans, report.orphan_bytes) == (True, 1, 11)


def test_forks_of_the_same_commit_share_a_tag(parent: Path, tmp_path: Path) -> None:
    made = [fork(parent, tmp_path / name) for name in ("one", "two", "one")]
    assert made[0] == made[1] == made[2]
    assert len(opened(parent).state.tags) == 1


def test_a_fork_of_a_fork_needs_both(parent: Path, child: Path, tmp_path: Path) -> None:
    fork(parent, child, 9)
    grow(child, add_task("c", b"data of c"))
    fork(child, tmp_path / "third")
    grow(tmp_path / "third", add_task("d", b"data of d"))
    assert set(opened(tmp_path / "third").view().tasks) == {"a", "b", "c", "d"}
    grow(child, retire("c"))
    garbage_collected(child)
    assert opened(tmp_path / "third").get_blob(blob_id(b"data of c")) == b"data of c"
    assert check(open_place(str(tmp_path / "third"))).ok


def test_a_fork_of_a_fork_before_it_began_is_one_of_the_first_parent(
    parent: Path, child: Path, tmp_path: Path
) -> None:
    fork(parent, child, 9)
    grow(child, add_task("c"))
    made = fork(child, tmp_path / "third", 7)
    assert made.parent == str(parent)
    assert made.tag in opened(parent).state.tags
    assert opened(tmp_path / "third").view().number == 7


def test_a_mirror_of_a_fork_needs_no_parent(parent: Path, child: Path, tmp_path: Path) -> None:
    fork(parent, child)
    garbage_collected(parent)
    grow(child, add_task("c", b"data of c"))
    assert mirror(open_place(str(child)), open_place(str(tmp_path / "mirror"))).ok
    shutil.rmtree(parent)
    whole = open_place(str(tmp_path / "mirror"))
    assert owned(whole) is whole
    assert check(whole).ok
    grow(tmp_path / "mirror", add_task("d"))
    assert set(opened(tmp_path / "mirror").view().tasks) == {"a", "b", "c", "d"}


def test_a_mirror_is_not_written_into_a_fork(parent: Path, child: Path) -> None:
    fork(parent, child)
    with pytest.raises(StorePathError, match="is a fork"):
        mirror(open_place(str(child)), open_place(str(child)))
    with pytest.raises(StorePathError, match="holds another system"):
        mirror(open_place(str(parent)), open_place(str(child)))


def test_a_missing_or_moved_parent_is_named_and_can_be_put_right(
    parent: Path, child: Path, tmp_path: Path
) -> None:
    fork(parent, child)
    parent.rename(tmp_path / "moved")
    with pytest.raises(StorePathError, match=rf"fork of the store in {parent}.*`location`"):
        open_place(str(child))
    header = json.loads((child / HEADER).read_bytes())
    header["parent"]["location"] = str(tmp_path / "moved")
    (child / HEADER).write_text(json.dumps(header))
    assert opened(child).view().number == NEWEST


def test_another_system_in_the_parents_place_is_refused(parent: Path, child: Path) -> None:
    fork(parent, child)
    shutil.rmtree(parent)
    Store.create(LocalBackend(parent))
    with pytest.raises(StorePathError, match=r"fork of system .* but there lies"):
        open_place(str(child))
    shutil.rmtree(parent)
    child.rename(parent)
    with pytest.raises(StorePathError, match=r"fork of system .* but there lies"):
        open_place(str(parent))


def test_a_parent_with_another_record_is_damage(parent: Path, child: Path) -> None:
    fork(parent, child, 9)
    LocalBackend(parent).delete([record_key(9)])
    with pytest.raises(StoreCorruptError, match=r"forked at commit 9 .* is nothing"):
        open_place(str(child))
    LocalBackend(parent).put(record_key(9), b"x")
    with pytest.raises(StoreCorruptError, match=r"forked at commit 9 .* has 2d711642b726"):
        open_place(str(child))


def test_a_parent_that_cannot_be_written_is_refused_unless_it_keeps_the_commit_already(
    parent: Path, child: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fork(parent, child, 9)
    put_new = LocalBackend.put_new

    def refuse(backend: LocalBackend, key: str, data: bytes) -> bool:
        if backend.root == parent:
            raise StorageAccessError("Could not write: a planned fault.")
        return put_new(backend, key, data)

    monkeypatch.setattr(LocalBackend, "put_new", refuse)
    with pytest.raises(StorageAccessError, match=r"cannot be forked.*taskgrove mirror"):
        fork(parent, tmp_path / "other", 8)
    assert not (tmp_path / "other").exists()
    assert fork(parent, tmp_path / "other", 9).number == 9


def test_what_has_been_collected_cannot_be_forked(parent: Path, child: Path) -> None:
    grow(parent, tag("kept", 9), retire("a"), retire("b"))
    garbage_collected(parent)
    with pytest.raises(BadValueError, match=rf"live at commit {NEWEST} .* collected"):
        fork(parent, child, NEWEST)
    assert not child.exists()
    assert fork(parent, child, 9).number == 9


@pytest.mark.parametrize("number", [-1, NEWEST + 1])
def test_a_commit_that_does_not_exist_cannot_be_forked(parent: Path, child: Path, number: int) -> None:
    with pytest.raises(BadValueError, match=str(number)):
        fork(parent, child, number)
    assert opened(parent).state.tags == {}


def test_a_place_that_is_taken_is_no_place_for_a_fork(parent: Path, child: Path) -> None:
    play(Store.create(LocalBackend(child)), LIFE[:2])
    with pytest.raises(StorePathError, match="not empty"):
        fork(parent, child)
    with pytest.raises(StorePathError, match="holds no store"):
        fork(child / "absent", child / "other")


def test_a_relative_parent_is_found_from_anywhere(
    parent: Path, child: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(parent.parent)
    fork_place("parent", "child")
    monkeypatch.chdir("/")
    assert opened(child).view().number == NEWEST


def test_a_forks_storage_can_be_sent_to_another_process(parent: Path, child: Path) -> None:
    fork(parent, child)
    sent: AbstractBackend = pickle.loads(pickle.dumps(open_place(str(child))))
    Store.open(sent).commit(add_task("sent").operation)
    assert TaskName("sent") in opened(child).view().tasks


def test_a_fork_uses_and_writes_checkpoints_and_segments(tmp_path: Path) -> None:
    parent, own = MemoryBackend(), MemoryBackend()
    store = Store.create(parent, thousand=4)
    for step in LIFE[:10]:
        for data in step.blobs:
            store.put_blob(data)
        store.commit(step.operation)
    forked = ForkedBackend(own, parent, 9)
    own.put(HEADER, parent.get(HEADER) or b"")
    child = Store.open(forked, thousand=4)
    for number in range(4):
        child.commit(note(f"{number}").operation)
        store.commit(note(f"other {number}").operation)
    cached = {entry.key for entry in own.list("") if entry.key.startswith(("segments/", "state/"))}
    assert len(cached) == 2
    assert Store.open(forked, writable=False, thousand=4).state == child.state
    assert Store.open(parent, writable=False, thousand=4).state == store.state != child.state
