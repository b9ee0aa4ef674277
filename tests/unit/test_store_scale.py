"""Segments and checkpoints: they change nothing but speed, whatever happens to them."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, final

import msgspec
import pytest

from taskgrove.domain.errors import StorageFullError, StoreCorruptError
from taskgrove.domain.ids import CommitId
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend, Entry
from taskgrove.store.checkpoint import (
    CHECKPOINTS,
    SCHEMA,
    checkpoint_key,
    load_checkpoint,
    nearest_checkpoint,
)
from taskgrove.store.keys import LOG, record_key
from taskgrove.store.log import follow, full_thousands, read, replay
from taskgrove.store.segments import SEGMENTS, keep_segment, load_segment, segment_key
from taskgrove.store.state import State
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.faults import Fault, FaultyBackend, Killed, at
from taskgrove.testing.scripts import add_task, life, play

TEN = 10
SCRIPT = life()
FULL = len(SCRIPT) // TEN


@final
class Watched(AbstractBackend):
    """Remembers what it was asked for; has no space for keys that start with `refused`.

    Readers of the records in `meeting` wait for each other.
    """

    name: ClassVar[str] = "watched"
    summary: ClassVar[str] = "for tests"
    reads_at_once = 8

    def __init__(self, inner: AbstractBackend, refused: str = "nothing") -> None:
        self.inner = inner
        self.refused = refused
        self.asked: list[tuple[str, str]] = []
        self.meeting: frozenset[str] = frozenset()
        self._barrier = threading.Barrier(4)

    @classmethod
    def at(cls, location: str) -> Watched:
        return cls(MemoryBackend(), location)

    def get(self, key: str) -> bytes | None:
        self.asked.append(("get", key))
        if key in self.meeting:
            self._barrier.wait(timeout=10)
        return self.inner.get(key)

    def size(self, key: str) -> int | None:
        self.asked.append(("size", key))
        return self.inner.size(key)

    def put_new(self, key: str, data: bytes) -> bool:
        self.asked.append(("put_new", key))
        if key.startswith(self.refused):
            raise StorageFullError("No space is left (a planned fault).")
        return self.inner.put_new(key, data)

    def put(self, key: str, data: bytes) -> None:
        self.inner.put(key, data)

    def list(self, prefix: str) -> Iterator[Entry]:
        self.asked.append(("list", prefix))
        return self.inner.list(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        self.inner.delete(keys)


def created(backend: AbstractBackend, thousand: int = TEN) -> Store:
    return Store.create(backend, clock=lambda: 12.5, thousand=thousand)


def lived(thousand: int = TEN) -> MemoryBackend:
    backend = MemoryBackend()
    play(created(backend, thousand), SCRIPT)
    return backend


def without_caches(backend: MemoryBackend) -> MemoryBackend:
    bare = MemoryBackend()
    for entry in backend.list(""):
        if not entry.key.startswith((SEGMENTS, CHECKPOINTS)):
            bare.put(entry.key, backend.get(entry.key) or b"")
    return bare


def caches(backend: AbstractBackend) -> set[str]:
    return {entry.key for prefix in (SEGMENTS, CHECKPOINTS) for entry in backend.list(prefix)}


def assert_unchanged(backend: AbstractBackend) -> None:
    """The store says what it said before anything happened to its caches."""
    sound = without_caches(lived())
    store = Store.open(backend, thousand=TEN)
    assert store.state == Store.open(sound).state
    assert list(store.history()) == list(Store.open(sound).history())
    for number in (TEN - 1, TEN, 2 * TEN + 3):
        assert store.state_at(number) == replay(sound, number)


def test_whoever_passes_the_thousand_leaves_a_segment_and_a_checkpoint() -> None:
    backend = lived()
    assert caches(backend) == {
        *(segment_key(number) for number in range(FULL)),
        *(checkpoint_key(TEN * (number + 1)) for number in range(FULL)),
    }
    records = [backend.get(record_key(number)) for number in range(TEN, 2 * TEN)]
    text = gzip.decompress(backend.get(segment_key(1)) or b"")
    assert text.splitlines() == records
    assert load_segment(backend, 1, TEN) == records
    found = load_checkpoint(backend, 2 * TEN)
    assert found is not None
    assert found.state == replay(without_caches(backend), 2 * TEN - 1)
    assert list(found.numbers.values()) == list(range(2 * TEN))


def test_equal_logs_have_equal_segments() -> None:
    backend, again = lived(), lived(thousand=1000)
    keep_segment(again, 1, [backend.get(record_key(number)) or b"" for number in range(TEN, 2 * TEN)])
    assert again.get(segment_key(1)) == backend.get(segment_key(1))


def test_the_log_is_read_out_of_segments_from_anywhere() -> None:
    backend = lived()
    watched = Watched(backend)
    assert list(follow(watched, 0, "", TEN)) == list(read(backend, 0, ""))
    records = {key for verb, key in watched.asked if verb == "get" and key.startswith(LOG)}
    proofs = {record_key(TEN * (number + 1) - 1) for number in range(FULL)}
    assert {key for key in records if key < record_key(TEN * FULL)} == proofs
    for start in (3, TEN, TEN + 1, len(SCRIPT) - 1, len(SCRIPT), len(SCRIPT) + 5):
        assert list(follow(backend, start, None, TEN)) == list(read(backend, start, None))


def test_opening_reads_a_checkpoint_and_less_than_a_thousand_records_and_lists_two_folders() -> None:
    watched = Watched(lived())
    reader = Store.open(watched, writable=False, thousand=TEN)
    assert reader.state == Store.open(watched.inner, writable=False).state
    read_keys = Counter(key.split("/")[0] for verb, key in watched.asked if verb == "get")
    assert read_keys["state"] == 1
    assert read_keys["log"] <= TEN + 3 + watched.reads_at_once
    assert [key for verb, key in watched.asked if verb == "list"] == ["log/main/000000/", "log/main/000001/"]


@pytest.mark.parametrize("commits", [0, 1, 9, 10, 11, 19, 20, 45, 99, 100, 163])
def test_full_thousands_are_counted_with_few_requests(commits: int) -> None:
    backend = MemoryBackend()
    for number in range(commits):
        backend.put(record_key(number), b"")
    watched = Watched(backend)
    assert full_thousands(watched, TEN) == commits // TEN
    assert len(watched.asked) <= 10
    assert {verb for verb, _ in watched.asked} == {"size"}


def test_an_old_state_is_replayed_from_the_checkpoint_before_it() -> None:
    backend = lived()
    watched = Watched(backend)
    assert replay(watched, 2 * TEN + 3, TEN) == replay(without_caches(backend), 2 * TEN + 3)
    numbers = {key for verb, key in watched.asked if verb == "get" and key < record_key(2 * TEN - 1)}
    assert not {key for key in numbers if key.startswith(LOG)}


def test_a_missing_checkpoint_costs_a_longer_replay() -> None:
    backend = lived()
    backend.delete([checkpoint_key(2 * TEN)])
    assert nearest_checkpoint(backend, 2 * TEN + 5, TEN).state.view.number == TEN - 1
    assert_unchanged(backend)


@pytest.mark.parametrize("prefix", [SEGMENTS, CHECKPOINTS])
@pytest.mark.parametrize("place", [0, 3, 9, 25, 100, -1, -5])
def test_damaged_caches_are_ignored(prefix: str, place: int) -> None:
    backend = lived()
    for entry in list(backend.list(prefix)):
        damaged = bytearray(backend.get(entry.key) or b"")
        damaged[place] ^= 16
        backend.put(entry.key, bytes(damaged))
    assert_unchanged(backend)
    assert check(backend).ok


def text_of(backend: MemoryBackend, key: str) -> bytes:
    return gzip.decompress(backend.get(key) or b"")


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda text: text[:-40],
    "a line less": lambda text: text[text.index(b"\n") + 1 :] if b"\n" in text else b"{}",
    "a line more": lambda text: text + b"{}\n",
    "no text": lambda _: b"\xff\xfe\n" * TEN,
    "another number": lambda text: text.replace(b'"previous":"', b'"previous":"0', 1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("prefix", [SEGMENTS, CHECKPOINTS])
def test_caches_that_say_something_else_are_ignored(prefix: str, change: Callable[[bytes], bytes]) -> None:
    backend = lived()
    for entry in list(backend.list(prefix)):
        backend.put(entry.key, gzip.compress(change(text_of(backend, entry.key))))
    assert_unchanged(backend)


def test_caches_of_another_log_are_ignored() -> None:
    backend, other = lived(), MemoryBackend()
    play(Store.create(other, thousand=TEN), [add_task("x"), *SCRIPT])
    for key in caches(backend):
        backend.put(key, other.get(key) or b"")
    assert_unchanged(backend)


def test_caches_under_another_number_are_ignored() -> None:
    backend = lived()
    backend.put(segment_key(1), backend.get(segment_key(0)) or b"")
    backend.put(checkpoint_key(2 * TEN), backend.get(checkpoint_key(TEN)) or b"")
    assert_unchanged(backend)


def rewritten(packed: bytes, **fields: object) -> bytes:
    """A checkpoint whose envelope says something else, with a fresh checksum."""
    envelope = {**json.loads(gzip.decompress(packed)), **fields}
    body = json.dumps(envelope["checkpoint"], separators=(",", ":"))
    envelope["sha256"] = hashlib.sha256(body.encode()).hexdigest()
    return gzip.compress(json.dumps(envelope, separators=(",", ":")).encode())


def test_checkpoints_of_another_schema_are_ignored() -> None:
    backend = lived()
    key = checkpoint_key(2 * TEN)
    sound = backend.get(key) or b""
    backend.put(key, rewritten(sound))
    assert load_checkpoint(backend, 2 * TEN) is not None
    backend.put(key, rewritten(sound, schema=SCHEMA + 1))
    assert load_checkpoint(backend, 2 * TEN) is None
    assert_unchanged(backend)


def test_the_schema_of_checkpoints_changes_with_the_state() -> None:
    """When this fails, checkpoints written before would be misread: raise SCHEMA and correct the digest."""
    schema = msgspec.json.schema(State)
    shape = {
        name: {
            field: kind.get("$ref", kind.get("type")) for field, kind in part.get("properties", {}).items()
        }
        for name, part in schema["$defs"].items()
    }
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()
    assert (SCHEMA, digest[:16]) == (1, "c82993d0bf5ac777")


def test_a_damaged_record_that_a_segment_holds_is_still_found_by_check() -> None:
    backend = lived()
    backend.put(record_key(3), (backend.get(record_key(3)) or b"")[:-5])
    assert_unchanged(backend)
    assert "Commit 3" in check(backend).problems[0]


def test_a_missing_record_behind_the_checkpoint_is_an_error() -> None:
    backend = lived()
    backend.delete([record_key(FULL * TEN)])
    with pytest.raises(StoreCorruptError, match="is missing"):
        Store.open(backend, thousand=TEN)


def test_ids_are_remembered_across_a_checkpoint() -> None:
    backend = lived()
    store = Store.open(backend, thousand=TEN)
    again = store.commit(SCRIPT[7].operation, id=CommitId("step-7"))
    assert again.number == 7
    assert store.view().number == len(SCRIPT) - 1


@pytest.mark.parametrize("refused", [SEGMENTS, CHECKPOINTS])
def test_a_commit_does_not_fail_with_its_caches(refused: str) -> None:
    backend = Watched(MemoryBackend(), refused)
    play(created(backend), SCRIPT)
    assert ("put_new", segment_key(0)) in backend.asked or refused == CHECKPOINTS
    assert_unchanged(backend)


def grow(backend: AbstractBackend) -> None:
    made = backend.get("taskgrove.json") is not None
    play(Store.open(backend, thousand=TEN) if made else Store.create(backend, thousand=TEN), SCRIPT[:13])


@pytest.mark.parametrize("fault", [Fault.DEATH_BEFORE, Fault.DEATH_AFTER])
def test_death_at_any_call_leaves_a_sound_store(fault: Fault) -> None:
    counted = FaultyBackend(MemoryBackend(), lambda _, __: None)
    grow(counted)
    for call in range(counted.num_calls):
        backend = MemoryBackend()
        with pytest.raises(Killed):
            grow(FaultyBackend(backend, at(call, fault)))
        grow(backend)
        assert check(backend).ok
        state = Store.open(backend, thousand=TEN).state
        assert state == replay(without_caches(backend), 12)
        assert [commit.operation for commit, _ in follow(backend, 0, "", TEN)] == [
            step.operation for step in SCRIPT[:13]
        ]


def test_records_are_read_ahead_where_that_pays_off() -> None:
    backend = lived(thousand=1000)
    watched = Watched(backend)
    watched.meeting = frozenset(map(record_key, range(1, 5)))
    assert list(read(watched, 0, "")) == list(read(backend, 0, ""))
    assert len(watched.asked) <= len(SCRIPT) + watched.reads_at_once
    reader = Store.open(watched, writable=False)
    watched.asked.clear()
    reader.refresh()
    assert watched.asked == [("get", record_key(len(SCRIPT)))]
