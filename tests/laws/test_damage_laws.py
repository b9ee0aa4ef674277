"""Laws of damage: whatever bits of whatever object flip, wherever it is cut off, it is found and named."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgrove.domain.errors import StoreCorruptError, StoreError
from taskgrove.domain.ids import BlobId
from taskgrove.domain.records import AddTask, Commit
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.blobs import blobs_of
from taskgrove.store.checkpoint import checkpoint_key
from taskgrove.store.header import HEADER, Parent, read_header, write_header
from taskgrove.store.keys import blob_key, blob_of, record_key
from taskgrove.store.log import read
from taskgrove.store.segments import THOUSAND, segment_key
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.heal import heal
from taskgrove.testing.scripts import life, note, play

LIFE = life(iterations=1)
Harm = Callable[[bytes], bytes]
KINDS = ("header", "record", "parameters", "momentum", "task data")
CACHES = ("segment", "checkpoint")


@cache
def lived() -> MemoryBackend:
    """A store with every kind of object but caches."""
    backend = MemoryBackend()
    play(Store.create(backend), LIFE)
    return backend


@cache
def long() -> MemoryBackend:
    """A store whose log is long enough for a segment and a checkpoint."""
    backend = MemoryBackend()
    store = Store.create(backend)
    play(store, LIFE)
    for number in range(len(LIFE), THOUSAND + 1):
        store.commit(note(f"{number}").operation)
    return backend


def keys_of(kind: str) -> list[str]:
    """The keys of all objects of a kind."""
    view = Store.open(lived(), writable=False).view()
    momenta = {c.momentum for model in view.models.values() for c in model.components if c.momentum}
    data = {task.data for task in view.tasks.values() if task.data}
    parameters = frozenset[BlobId]().union(*map(blobs_of, view.models.values())) - momenta
    match kind:
        case "header":
            return [HEADER]
        case "record":
            return [record_key(number) for number in range(len(LIFE))]
        case "parameters":
            return sorted(map(blob_key, parameters))
        case "momentum":
            return sorted(map(blob_key, momenta))
        case "task data":
            return sorted(map(blob_key, data))
        case _:
            return [segment_key(0) if kind == "segment" else checkpoint_key(THOUSAND)]


def flip(bit: int) -> Harm:
    def harm(data: bytes) -> bytes:
        place, shift = divmod(bit % (8 * len(data)), 8)
        return data[:place] + bytes([data[place] ^ 1 << shift]) + data[place + 1 :]

    return harm


def cut(length: int) -> Harm:
    return lambda data: data[: length % len(data)]


def blank(start: int, length: int) -> Harm:
    """A lost sector: zeros in the middle."""

    def harm(data: bytes) -> bytes:
        first = start % len(data)
        return data[:first] + bytes(len(data[first : first + length])) + data[first + length :]

    return harm


numbers = st.integers(0, 1 << 20)
harms = st.one_of(
    st.builds(flip, numbers), st.builds(cut, numbers), st.builds(blank, numbers, st.integers(1, 4096))
)


def damaged(base: MemoryBackend, key: str, harm: Harm) -> MemoryBackend:
    backend = MemoryBackend()
    for entry in base.list(""):
        data = base.get(entry.key) or b""
        backend.put(entry.key, harm(data) if entry.key == key else data)
    return backend


def affected(key: str) -> str:
    """What the problems must name, beside the key: the commits that are cut off, or who needs the blob."""
    name = blob_of(key)
    if name is None:
        return "" if key == HEADER else f"Commit {int(key[-14:-5])}"
    uses = (use(commit) for commit in Store.open(lived(), writable=False).history() if name[0] in str(commit))
    return next(uses)


def meet(backend: MemoryBackend, key: str) -> None:
    """Read what lies under the key, as whoever needs it does."""
    store, name = Store.open(backend, writable=False), blob_of(key)
    if name is not None:
        store.get_blob(name[0])


def use(commit: Commit) -> str:
    operation = commit.operation
    what = f"the data of task {operation.task.name!r}" if isinstance(operation, AddTask) else "a model"
    return f"{what} of commit {commit.number} needs it"


@settings(max_examples=100)
@given(st.data(), st.sampled_from(KINDS), harms)
def test_any_damage_is_found_named_and_healed(data: st.DataObject, kind: str, harm: Harm) -> None:
    key = data.draw(st.sampled_from(keys_of(kind)))
    backend = damaged(lived(), key, harm)
    report = check(backend)
    assert any(key in problem and affected(key) in problem for problem in report.problems), report
    with pytest.raises(StoreError):
        meet(backend, key)
    newest = key == record_key(len(LIFE) - 1)
    healed = heal(backend, [lived()])
    assert healed.keys == (key,) or newest or kind == "header"
    assert backend.get(key) in (lived().get(key), harm(lived().get(key) or b""))


@settings(max_examples=10)
@given(st.sampled_from(CACHES), harms)
def test_damaged_caches_are_found_and_believed_by_nobody(kind: str, harm: Harm) -> None:
    (key,) = keys_of(kind)
    backend = damaged(long(), key, harm)
    report = check(backend)
    assert (report.ok, report.unusable) == (True, (key,))
    assert Store.open(backend, writable=False).state == Store.open(long(), writable=False).state


def test_every_bit_of_a_header_counts() -> None:
    backend = MemoryBackend()
    write_header(backend, Parent(location="", uuid="0" * 32, number=12, head="1" * 64))
    sound = backend.get(HEADER) or b""
    for bit in range(8 * len(sound)):
        backend.put(HEADER, flip(bit)(sound))
        with pytest.raises(StoreError):
            read_header(backend)
    for length in range(len(sound)):
        backend.put(HEADER, sound[:length])
        with pytest.raises(StoreError):
            read_header(backend)


def test_every_bit_of_a_record_counts() -> None:
    key = record_key(1)
    sound = lived().get(key) or b""
    backend = damaged(lived(), "", lambda data: data)
    for bit in range(8 * len(sound)):
        backend.put(key, flip(bit)(sound))
        with pytest.raises(StoreCorruptError, match=key):
            next(read(backend, 1, None))
