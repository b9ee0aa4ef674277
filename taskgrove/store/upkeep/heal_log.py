"""Healing the log: a record from another copy is put back when the chain of hashes proves it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from taskgrove.domain.errors import StoreCorruptError, StoreError
from taskgrove.domain.records import Commit
from taskgrove.store import log
from taskgrove.store.base import AbstractBackend
from taskgrove.store.codec import decode
from taskgrove.store.forked import ForkedBackend
from taskgrove.store.keys import record_key
from taskgrove.store.segments import THOUSAND, load_segment
from taskgrove.store.unfinished import hidden

_Copies = Callable[[int], bytes | None]
"""The record of a number, as another copy of the log has it."""


@dataclass(frozen=True, slots=True)
class _Break:
    """Where a log cannot be followed any further.

    Attributes:
        number: Of the record that is damaged, missing, or does not follow the one before it.
        previous: sha256 of the record before it; "" at the beginning of the log.
        before: sha256 of the one before that.
    """

    number: int
    previous: str
    before: str


def heal_log(backend: AbstractBackend, places: Sequence[AbstractBackend]) -> Iterator[str]:
    """Put back records until the log can be read to its end or nothing more can be proved; gives their keys.

    A fork's records up to the fork are its parent's, and are healed there.

    Args:
        backend: Holds the log.
        places: Mirrors, forks or copies of the store.
    """
    copies = (_segments(backend), *map(_records, places))
    found = _followed(backend, _Break(0, "", ""))
    while found is not None:
        start, run = next(_proved(backend, found, copies), (0, ()))
        if not run or (isinstance(backend, ForkedBackend) and start <= backend.number):
            return
        for number, data in enumerate(run, start):
            backend.put(record_key(number), data)
            yield record_key(number)
        found = _followed(backend, found if start == found.number else _Break(start, found.before, ""))
        if found is not None and found.number <= start:
            return


def _records(place: AbstractBackend) -> _Copies:
    return lambda number: place.get(record_key(number))


def _segments(backend: AbstractBackend) -> _Copies:
    """The store's own segments, which hold each record a second time."""

    def record(number: int) -> bytes | None:
        segment = load_segment(backend, number // THOUSAND)
        return None if segment is None else segment[number % THOUSAND]

    return record


def _followed(backend: AbstractBackend, start: _Break) -> _Break | None:
    """Where the log breaks, from a record on; None when it is whole, or written by a newer version."""
    number, previous, before = start.number, start.previous, start.before
    try:
        for commit, head in log.read(backend, number, previous):
            number, previous, before = commit.number + 1, head, previous
    except StoreCorruptError:
        return _Break(number, previous, before)
    except StoreError:
        return None
    last = log.last_number(backend)
    gap = last >= number and not hidden(backend, number - 1, last)
    return _Break(number, previous, before) if gap else None


def _proved(
    backend: AbstractBackend, found: _Break, copies: Sequence[_Copies]
) -> Iterator[tuple[int, tuple[bytes, ...]]]:
    """Records that mend the break, and the number of the first; a record that was replaced breaks the chain
    only after it, so the one before the break is tried, too."""
    starts = [(found.number, found.previous)]
    if found.number > 0:
        starts.append((found.number - 1, found.before))
    for start, previous in starts:
        for copy in copies:
            run = _run(backend, start, previous, copy)
            if run:
                yield start, run


def _run(backend: AbstractBackend, start: int, previous: str, copy: _Copies) -> tuple[bytes, ...]:
    """Records of a copy that follow each other up to one that the log itself vouches for; none otherwise."""
    run: list[bytes] = []
    for number in count(start):
        data = copy(number) or b""
        commit = _decoded(data)
        if commit is None or (commit.number, commit.previous) != (number, previous):
            return ()
        if number == start and data == backend.get(record_key(number)):
            return ()  # this one is right already, so it is not what breaks the chain
        run.append(data)
        previous = hashlib.sha256(data).hexdigest()
        if _vouched(backend, number, data, previous):
            return tuple(run)
    return ()


def _vouched(backend: AbstractBackend, number: int, data: bytes, head: str) -> bool:
    """Whether the next record follows this one, or the damaged record still carries its checksum."""
    after = _decoded(backend.get(record_key(number + 1)) or b"")
    if after is not None:
        return (after.number, after.previous) == (number + 1, head)
    damaged = backend.get(record_key(number)) or b""
    checksum: str = json.loads(data)["sha256"]
    return checksum.encode() in damaged


def _decoded(data: bytes) -> Commit | None:
    try:
        return decode(data)
    except StoreError:
        return None
