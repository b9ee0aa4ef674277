"""Mirrors: incremental, verified, refused where they would hide a difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskgrove.domain.errors import StorageAccessError, StoreCorruptError, StorePathError
from taskgrove.domain.ids import BlobId
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.header import HEADER, read_header
from taskgrove.store.keys import BLOBS, LOG, blob_id, blob_key, record_key, record_number
from taskgrove.store.store import Store
from taskgrove.store.unfinished import UNFINISHED
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.collect import collect
from taskgrove.store.upkeep.mirror import MirrorReport, mirror
from taskgrove.store.upkeep.retention import Retention
from taskgrove.testing.faults import Fault, FaultyBackend, Killed, at, at_random
from taskgrove.testing.scripts import Step, add_root, add_task, life, play

LIFE = life(iterations=1)
DATA_OF_B = blob_id(b"data of b")


def lived(num_steps: int = len(LIFE)) -> MemoryBackend:
    backend = MemoryBackend()
    play(Store.create(backend), LIFE[:num_steps])
    return backend


def grow(backend: AbstractBackend, *steps: Step) -> None:
    store = Store.open(backend)
    for step in steps:
        for data in step.blobs:
            store.put_blob(data)
        store.commit(step.operation)


def garbage_collected(backend: AbstractBackend) -> int:
    store = Store.open(backend)
    return collect(store, Retention(ancestors=0), grace_s=0).num_condemned


def same(one: AbstractBackend, other: AbstractBackend) -> bool:
    """Both hold the same records, blobs and header."""
    keys = [{e.key for e in b.list("") if e.key.startswith((LOG, BLOBS, HEADER))} for b in (one, other)]
    return keys[0] == keys[1] and all(one.get(key) == other.get(key) for key in keys[0])


def test_a_mirror_is_the_same_system(tmp_path: Path) -> None:
    source, target = lived(), LocalBackend(tmp_path / "mirror")
    made = mirror(source, target)
    blobs = {data for step in LIFE for data in step.blobs}
    assert made == MirrorReport(
        number=len(LIFE) - 1,
        num_commits=len(LIFE),
        num_blobs=len(blobs),
        num_bytes=sum(map(len, blobs)),
        num_there=0,
        num_deleted=0,
        problems=(),
    )
    assert same(source, target)
    assert {entry.key for entry in target.list("")} == {entry.key for entry in source.list("")}
    assert check(target).ok
    assert Store.open(target).state == Store.open(source).state


def test_a_second_mirror_copies_only_what_is_new() -> None:
    source, target = lived(9), MemoryBackend()
    first = mirror(source, target)
    assert mirror(source, target).num_commits == 0
    grow(source, add_task("c", b"data of c"))
    again = mirror(source, target)
    assert (again.num_commits, again.num_blobs, again.num_bytes) == (1, 1, 9)
    assert again.num_there == first.num_blobs
    assert same(source, target)


def test_an_empty_store_can_be_mirrored() -> None:
    source, target = MemoryBackend(), MemoryBackend()
    Store.create(source)
    assert mirror(source, target).number == -1
    grow(source, *LIFE[:3])
    assert mirror(source, target).number == 2
    assert check(target).ok


def test_what_the_source_has_collected_is_neither_copied_nor_kept() -> None:
    source, early, late = lived(), MemoryBackend(), MemoryBackend()
    mirror(source, early)
    assert garbage_collected(source) > 0
    after = mirror(source, early)
    assert after.num_deleted > 0
    mirror(source, late)
    for target in (early, late):
        assert same(source, target)
        assert check(target).ok


def test_lost_replies_and_false_conflicts_change_nothing() -> None:
    source = lived()
    garbage_collected(source)
    for seed in range(5):
        target = MemoryBackend()
        mirror(source, FaultyBackend(target, at_random(seed, lost_replies=0.3, false_exists=0.3)))
        assert same(source, target)


def interrupted() -> tuple[MemoryBackend, MemoryBackend, int]:
    """A source, a mirror that died while it was brought up to date over a collection, and its head before."""
    source, target = lived(9), MemoryBackend()
    mirror(source, target)
    grow(source, *LIFE[9:])
    garbage_collected(source)
    for call in range(1000):
        place = MemoryBackend()
        for entry in target.list(""):
            place.put(entry.key, target.get(entry.key) or b"")
        with pytest.raises(Killed):
            mirror(source, FaultyBackend(place, at(call, Fault.DEATH_AFTER)))
        numbers = {record_number(entry.key) for entry in place.list(LOG)}
        if numbers != {*range(len(numbers))}:
            return source, place, min({*range(100)} - numbers) - 1
    raise AssertionError("no call left a gap")


def test_a_mirror_that_died_over_a_collection_is_read_as_it_was_before() -> None:
    source, target, head = interrupted()
    assert target.get(record_key(head + 1)) is None
    reader = Store.open(target, writable=False)
    assert reader.view().number == head < Store.open(source).view().number
    assert check(target).ok
    mirror(source, target)
    assert reader.refresh().number == Store.open(source).view().number
    assert target.get(UNFINISHED) is None


def test_a_mirror_that_died_over_a_collection_is_not_written_to_but_can_be_mirrored() -> None:
    _, target, head = interrupted()
    with pytest.raises(StorageAccessError, match=r"interrupted.*mirror.* again"):
        Store.open(target)
    other = MemoryBackend()
    assert mirror(target, other).number == head
    assert check(other).ok
    grow(other, add_task("c"))


def test_the_beginning_of_a_mirror_is_no_store_and_says_so() -> None:
    source, target = lived(), MemoryBackend()
    with pytest.raises(Killed):
        mirror(source, FaultyBackend(target, at(30, Fault.DEATH_AFTER)))
    for look in (lambda: Store.open(target), lambda: check(target)):
        with pytest.raises(StorePathError, match=r"beginning of a mirror.*again"):
            look()
    mirror(source, target)
    assert same(source, target)


def test_a_mirror_of_another_system_is_refused() -> None:
    one, other, target = lived(), lived(), MemoryBackend()
    mirror(one, target)
    with pytest.raises(StorePathError, match="holds another system"):
        mirror(other, target)
    unfinished = MemoryBackend()
    with pytest.raises(Killed):
        mirror(one, FaultyBackend(unfinished, at(30, Fault.DEATH_AFTER)))
    with pytest.raises(StorePathError, match="mirror of another system"):
        mirror(other, unfinished)


def test_a_place_that_holds_something_else_is_refused() -> None:
    target = MemoryBackend()
    target.put("thesis.tex", b"x")
    with pytest.raises(StorePathError, match=r"neither empty nor a mirror \(it holds thesis.tex\)"):
        mirror(lived(), target)
    assert [entry.key for entry in target.list("")] == ["thesis.tex"]
    with pytest.raises(StorePathError, match="holds no store"):
        mirror(MemoryBackend(), MemoryBackend())


def test_a_mirror_that_went_its_own_way_is_refused_with_the_first_commit_that_differs() -> None:
    source, target = lived(9), MemoryBackend()
    mirror(source, target)
    grow(target, add_task("mine"), add_task("mine too"))
    with pytest.raises(StorePathError, match="own way: its commit 9 is"):
        mirror(source, target)
    grow(source, *(add_task(f"yours-{k}") for k in range(4)))
    with pytest.raises(StorePathError, match="own way: its commit 9 is"):
        mirror(source, target)


def test_a_damaged_blob_ends_the_mirror_before_the_commit_that_needs_it() -> None:
    source, target = lived(), MemoryBackend()
    source.put(blob_key(DATA_OF_B), b"damaged")
    first = mirror(source, target)
    assert not first.ok
    assert first.number == 1
    (problem,) = first.problems
    assert blob_key(DATA_OF_B) in problem
    assert "commit 2 needs it" in problem
    assert check(target).ok
    source.put(blob_key(DATA_OF_B), b"data of b")
    assert mirror(source, target).num_blobs == 1  # all others were copied already
    assert same(source, target)


def test_a_blob_damaged_since_it_was_mirrored_does_not_matter() -> None:
    source, target = lived(), MemoryBackend()
    mirror(source, target)
    source.put(blob_key(DATA_OF_B), b"damaged")
    grow(source, add_task("c"))
    assert mirror(source, target).ok
    assert target.get(blob_key(DATA_OF_B)) == b"data of b"


def test_a_blob_damaged_in_the_root_leaves_no_store_but_all_other_blobs() -> None:
    source, target = lived(), MemoryBackend()
    root, _ = add_root()
    source.delete([blob_key(BlobId(blob_id(root.blobs[0])))])
    made = mirror(source, target)
    assert (made.ok, made.number) == (False, -1)
    with pytest.raises(StorePathError, match="beginning of a mirror"):
        Store.open(target)
    grow_back = blob_key(blob_id(root.blobs[0]))
    source.put(grow_back, root.blobs[0])
    assert mirror(source, target).num_blobs == 1
    assert same(source, target)


def test_a_damaged_record_ends_the_mirror_before_it() -> None:
    source, target = lived(), MemoryBackend()
    good = source.get(record_key(5)) or b""
    source.put(record_key(5), good[:-9])
    made = mirror(source, target)
    assert (made.ok, made.number) == (False, 4)
    assert "Commit 5" in made.problems[0]
    assert check(target).ok
    source.put(record_key(5), good)
    assert mirror(source, target).ok
    source.put(record_key(5), good[:-9])
    with pytest.raises(StoreCorruptError, match="--heal-from"):
        mirror(source, target)


def test_a_mirrored_blob_of_another_size_is_copied_again() -> None:
    source, target = lived(), MemoryBackend()
    mirror(source, target)
    target.put(blob_key(DATA_OF_B), b"cut")
    assert mirror(source, target).num_blobs == 1
    assert check(target).ok


def test_a_collection_during_the_copying_is_noticed() -> None:
    source, target = lived(), MemoryBackend()

    def plan(call: int, verb: str) -> Fault | None:
        if verb == "list" and not collected:
            collected.append(call)
            garbage_collected(source)
        return None

    collected: list[int] = []
    made = mirror(FaultyBackend(source, plan), target)
    assert collected
    assert made.ok
    assert same(source, target)


def test_a_mirror_tells_how_far_it_is() -> None:
    heard: list[tuple[str, int, int]] = []
    mirror(lived(), MemoryBackend(), lambda *told: heard.append(told))
    last = {what: (done, total) for what, done, total in heard}
    assert {what: done == total for what, (done, total) in last.items() if total} == {
        "copying blobs (bytes)": True,
        "copying commits": True,
    }


def test_mirrors_have_the_uuid_of_their_system() -> None:
    source, target = lived(), MemoryBackend()
    mirror(source, target)
    assert read_header(target) == read_header(source)
