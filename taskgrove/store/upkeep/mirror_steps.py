"""The steps of a mirror: blobs, then the records that refer to them, then the deletion of garbage."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from taskgrove.domain.errors import EnvironmentFailure, StoreCorruptError
from taskgrove.store.base import AbstractBackend
from taskgrove.store.blobs import copy_of
from taskgrove.store.header import Header, independent, put_header
from taskgrove.store.keys import BLOBS, blob_id, record_key
from taskgrove.store.upkeep.mirror_ends import Past, Target, other_way
from taskgrove.store.upkeep.names import Name, key_of
from taskgrove.store.upkeep.together import Told, together

_TRIES = 8
_DELETED_AT_ONCE = 1_000


@dataclass(slots=True)
class Copied:
    """What the copying of blobs has come to."""

    num_blobs: int = 0
    num_bytes: int = 0
    lost: dict[Name, int] = field(default_factory=dict)


def copy_blobs(
    source: AbstractBackend, there: Target, past: Past, copied: Copied, limit: int, told: Told
) -> None:
    """Copy what is expected and not there, earliest needed first; a size that differs means damage."""
    sizes = {entry.key: entry.size_bytes for entry in source.list(BLOBS)}

    def missing(name: Name) -> bool:
        key = key_of(name)
        return key not in there.blobs or there.blobs[key] != sizes.get(key, there.blobs[key])

    names = sorted(filter(missing, past.expected), key=lambda name: (past.expected[name], name))
    copied.lost.clear()
    done, total = 0, sum(sizes.get(key_of(name), 0) for name in names)
    found = together(limit, lambda name: _brought(source, there.backend, name), names)
    for name, size in zip(names, found, strict=True):
        if size is None:
            copied.lost[name] = past.expected[name]
            continue
        there.blobs[key_of(name)] = size
        copied.num_blobs += 1
        copied.num_bytes += size
        done += size
        told("copying blobs (bytes)", done, total)


def _brought(source: AbstractBackend, target: AbstractBackend, name: Name) -> int | None:
    """Copy a blob; its size, or None when no intact copy is found."""
    key = key_of(name)
    data = source.get(key)
    if data is None or blob_id(data) != name[0]:
        data = copy_of(source, name[0]) or copy_of(target, name[0])
    if data is None:
        return None
    target.put(key, data)
    return len(data)


def sound_commits(there: Target, past: Past, lost: Mapping[Name, int]) -> Sequence[int]:
    """The commits after which the target's log may end: what they need is there, or was given up by then."""
    uses, changes = past.uses, [0] * (past.newest + 2)
    for name in uses.condemned.keys() | uses.spared:
        first = uses.first.get(name)
        if first is None or name in past.expected or key_of(name) in there.blobs:
            continue
        forked = uses.forked if name in uses.spared else None
        changes[first] += 1
        changes[min(uses.condemned.get(name, past.newest), past.newest if forked is None else forked)] -= 1
    end = min(lost.values(), default=past.newest + 1)
    waited_for = list(accumulate(changes))
    return [number for number in range(there.head + 1, end) if waited_for[number] == 0]


def copy_records(
    source: AbstractBackend,
    there: Target,
    past: Past,
    sound: Sequence[int],
    header: Header,
    limit: int,
    told: Told,
) -> None:
    """Let the target's log grow from one sound commit to the next."""
    last = sound[-1] if sound else there.head

    def put(numbers: Iterable[int]) -> None:
        done = together(limit, lambda n: _put_record(source, there.backend, n, past.heads[n]), numbers)
        for number in done:
            there.numbers.add(number)
            told("copying commits", number + 1, last + 1)

    if not there.whole:
        put(range(last + 1))  # in any order: without a header, nobody looks
        there.head = last
        there.whole = not there.has_gap and (last >= 0 or past.newest < 0)
        if there.whole:
            put_header(there.backend, independent(header))
    for number in sound if there.whole else ():
        if number > there.head + 1:
            there.note(header, there.head + 1, number)
            put(range(there.head + 2, number + 1))
        if number > there.head:
            put([there.head + 1])
            there.head = number
    there.forget_note()


def _put_record(source: AbstractBackend, target: AbstractBackend, number: int, head: str) -> int:
    key = record_key(number)
    data = source.get(key) or b""
    if hashlib.sha256(data).hexdigest() != head:
        raise StoreCorruptError(
            f"{key} of {source} has changed since it was read, which no record ever does; run "
            "`taskgrove check`."
        )
    for _ in range(_TRIES):
        if target.put_new(key, data):
            return number
        found = target.get(key)  # None after a conflict of two requests
        if found == data:
            return number
        if found is not None:
            raise other_way(target, number)
    raise EnvironmentFailure(
        f"{_TRIES} attempts to write {key} to {target} failed: each time the storage said that it exists, "
        "and did not show it. Try again later."
    )


def delete_collected(there: Target, past: Past) -> int:
    """Delete what the source has condemned, once the target's log says so."""
    keys = [
        key_of(name)
        for name, number in past.uses.condemned.items()
        if number <= there.head and name not in past.expected and key_of(name) in there.blobs
    ]
    for start in range(0, len(keys), _DELETED_AT_ONCE):
        there.backend.delete(keys[start : start + _DELETED_AT_ONCE])
    return len(keys)
