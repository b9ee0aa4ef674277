"""Healing: right bytes are put back, what cannot be proved stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from taskgrove.domain.ids import BlobId
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.checkpoint import Checkpoint, checkpoint_key, keep_checkpoint
from taskgrove.store.forked import ForkedBackend
from taskgrove.store.header import HEADER
from taskgrove.store.keys import blob_id, blob_key, record_key
from taskgrove.store.segments import THOUSAND, segment_key
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.fork import fork
from taskgrove.store.upkeep.heal import heal
from taskgrove.store.upkeep.mirror import mirror
from taskgrove.testing.scripts import add_task, life, note, play

LIFE = life(iterations=1)
NEWEST = len(LIFE) - 1
DATA = blob_id(b"data of a")


def pair() -> tuple[MemoryBackend, MemoryBackend]:
    """A store and its mirror."""
    store, other = MemoryBackend(), MemoryBackend()
    play(Store.create(store), LIFE)
    mirror(store, other)
    return store, other


def held(backend: AbstractBackend) -> dict[str, bytes | None]:
    return {entry.key: backend.get(entry.key) for entry in backend.list("")}


def cut(backend: MemoryBackend, *keys: str) -> None:
    for key in keys:
        backend.put(key, (backend.get(key) or b"")[:-90])


def flip(backend: MemoryBackend, key: str, place: int = 60) -> None:
    data = bytearray(backend.get(key) or b"")
    data[place] ^= 4
    backend.put(key, bytes(data))


def replace_record(store: MemoryBackend, number: int) -> None:
    """Put a sound record in the place of another: it follows the same one, and is followed by none."""
    other = MemoryBackend()
    for key, data in held(store).items():
        if not key.startswith("log/") or key < record_key(number):
            other.put(key, data or b"")
    Store.open(other).commit(note("a forgery").operation)
    store.put(record_key(number), other.get(record_key(number)) or b"")


Harm = Callable[[MemoryBackend], object]
HEALABLE: dict[str, Harm] = {
    "a missing blob": lambda store: store.delete([blob_key(DATA)]),
    "a cut blob": lambda store: cut(store, blob_key(DATA)),
    "a missing record": lambda store: store.delete([record_key(5)]),
    "the first record": lambda store: store.put(record_key(0), b""),
    "several records in a row": lambda store: cut(store, *map(record_key, (4, 5, 6))),
    "records here and there": lambda store: cut(store, *map(record_key, (2, 5, 9))),
    "a record that was replaced": lambda store: replace_record(store, 5),
    "a flipped bit in the newest record": lambda store: flip(store, record_key(NEWEST)),
    "a flipped bit in the header": lambda store: flip(store, HEADER),
    "no header": lambda store: store.delete([HEADER]),
    "everything at once": lambda store: cut(store, HEADER, record_key(3), blob_key(DATA)),
}


@pytest.mark.parametrize("name", HEALABLE)
def test_damage_is_healed_from_a_mirror(name: str) -> None:
    store, other = pair()
    sound = held(store)
    HEALABLE[name](store)
    damaged = {key for key, data in sound.items() if store.get(key) != data}
    assert not check(store).ok
    healed = heal(store, [MemoryBackend(), other])
    assert healed.report.ok
    assert set(healed.keys) == damaged
    assert held(store) == sound
    assert held(other) == sound


def test_a_sound_store_is_left_alone() -> None:
    store, other = pair()
    sound = held(store)
    healed = heal(store, [other])
    assert (healed.keys, healed.report) == ((), check(store))
    assert held(store) == sound


UNHEALABLE: dict[str, Harm] = {
    "a newest record that is cut": lambda store: cut(store, record_key(NEWEST)),
    "a blob that nobody has": lambda store: cut(store, blob_key(DATA)),
}


@pytest.mark.parametrize("name", UNHEALABLE)
def test_what_cannot_be_proved_stays_as_it_is(name: str) -> None:
    store, other = pair()
    UNHEALABLE[name](store)
    cut(other, blob_key(DATA))
    before, expected = held(store), check(store)
    healed = heal(store, [other])
    assert healed.keys == ()
    assert healed.report == expected
    assert not healed.report.ok
    assert held(store) == before


def test_a_mirror_with_another_future_heals_only_what_is_shared() -> None:
    store, other = pair()
    Store.open(store).commit(note("ours").operation)
    Store.open(other).commit(note("theirs").operation)
    sound = held(store)
    cut(store, record_key(NEWEST + 1), record_key(4))
    healed = heal(store, [other])
    assert healed.keys == (record_key(4),)
    assert f"Commit {NEWEST + 1}" in healed.report.problems[0]
    assert store.get(record_key(4)) == sound[record_key(4)]


def test_a_header_is_not_taken_from_another_system() -> None:
    store, other = pair()
    stranger, _ = pair()
    store.delete([HEADER])
    assert heal(store, [stranger]).keys == ()
    assert heal(store, [other]).keys == (HEADER,)


def test_blobs_are_found_under_any_name_and_in_a_cache() -> None:
    store, other = pair()
    other.delete([blob_key(DATA)])
    other.put(blob_key(DATA, 7), b"data of a")
    store.delete([blob_key(DATA)])
    assert heal(store, [other]).report.ok
    cached = {DATA: b"data of a", blob_id(b"data of b"): b"damaged in the cache"}
    cut(store, blob_key(DATA), blob_key(blob_id(b"data of b")))

    def spare(blob: BlobId) -> bytes | None:
        return cached.get(blob)

    healed = heal(store, [], spare=spare)
    assert healed.keys == (blob_key(DATA),)
    assert list(healed.report.lost) == [(blob_id(b"data of b"), 0)]


def test_a_fast_check_heals_what_is_missing() -> None:
    store, other = pair()
    store.delete([blob_key(DATA)])
    cut(store, blob_key(blob_id(b"data of b")))
    assert heal(store, [other], deep=False).keys == (blob_key(DATA),)
    assert heal(store, [other]).keys == (blob_key(blob_id(b"data of b")),)


def test_a_forks_blobs_are_healed_in_the_fork_and_its_parents_records_in_the_parent() -> None:
    parent, other = pair()
    own = MemoryBackend()
    store = ForkedBackend(own, parent, fork(parent, own, location="parent").number)
    Store.open(store).commit(add_task("c").operation)
    cut(parent, blob_key(DATA), record_key(4))
    healed = heal(store, [other])
    assert "Commit 4" in healed.report.problems[0]
    assert healed.keys == (blob_key(DATA),)
    assert record_key(4) not in held(own)
    assert heal(parent, [other]).report.ok
    assert check(store).ok
    assert own.get(blob_key(DATA)) == b"data of a"


def long() -> MemoryBackend:
    """A store with a segment and a checkpoint."""
    backend = MemoryBackend()
    store = Store.create(backend)
    play(store, LIFE)
    for number in range(len(LIFE), THOUSAND + 3):
        store.commit(note(f"{number}").operation)
    return backend


def test_segments_heal_records_and_caches_that_are_damaged_are_removed() -> None:
    store = long()
    sound = held(store)
    cut(store, record_key(7))
    assert heal(store, []).keys == (record_key(7),)
    assert held(store) == sound
    cut(store, segment_key(0), checkpoint_key(THOUSAND))
    report = check(store)
    assert (report.ok, set(report.unusable)) == (True, {segment_key(0), checkpoint_key(THOUSAND)})
    assert heal(store, []).report.unusable == ()
    assert store.get(segment_key(0)) is store.get(checkpoint_key(THOUSAND)) is None
    assert check(store).unusable == ()


def test_a_checkpoint_that_contradicts_the_log_is_found_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forge(backend: AbstractBackend, checkpoint: Checkpoint) -> None:
        state = replace(checkpoint.state, tags={"forged": 1})
        keep_checkpoint(backend, replace(checkpoint, state=state))

    monkeypatch.setattr("taskgrove.store.store.keep_checkpoint", forge)
    store = long()
    assert "forged" in Store.open(store).state.tags
    (problem,) = check(store).problems
    assert problem.startswith(checkpoint_key(THOUSAND))
    assert heal(store, []).report.ok
    assert "forged" not in Store.open(store).state.tags
