"""The log: one record per object, numbered without gaps, each with the hash of the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

from taskgrove.domain.errors import StoreCorruptError, StoreError
from taskgrove.domain.records import Commit
from taskgrove.store.base import AbstractBackend
from taskgrove.store.blobs import Unreferenced, unreferenced
from taskgrove.store.checkpoint import nearest_checkpoint
from taskgrove.store.codec import decode
from taskgrove.store.in_use import InUse
from taskgrove.store.keys import LOG, folder_of, record_key, record_number
from taskgrove.store.segments import THOUSAND, load_segment
from taskgrove.store.state import State, apply


def read(backend: AbstractBackend, start: int, previous: str | None) -> Iterator[tuple[Commit, str]]:
    """Commits from number `start` until the log ends, each with the sha256 of its bytes; no cache is asked.

    Args:
        backend: Holds the log.
        start: Number of the first commit to read.
        previous: sha256 of the record before `start`; None when that is not known.

    Raises:
        StoreCorruptError: A record is damaged or does not follow the one before it.
        StoreFormatError: A record was written by another version of Taskgrove.
    """
    return _chained(records(backend, start), start, previous)


def follow(
    backend: AbstractBackend, start: int, previous: str | None, thousand: int = THOUSAND
) -> Iterator[tuple[Commit, str]]:
    """What `read` gives, out of segments where there are any.

    Args:
        backend: Holds the log.
        start: Number of the first commit to read.
        previous: sha256 of the record before `start`; None when that is not known.
        thousand: Records of a segment.

    Raises:
        StoreCorruptError: A record is damaged or does not follow the one before it.
        StoreFormatError: A record was written by another version of Taskgrove.
    """
    return _chained(_merged(backend, start, thousand), start, previous)


def records(backend: AbstractBackend, start: int) -> Iterator[bytes]:
    """The bytes of the records from number `start` until the log ends, read ahead where that pays off."""
    limit = backend.reads_at_once
    if limit == 1:
        yield from _until_none(backend.get(record_key(number)) for number in count(start))
        return
    first = backend.get(record_key(start))
    if first is None:
        return
    yield first
    with ThreadPoolExecutor(limit) as pool:
        yield from _until_none(_ahead(backend, start + 1, limit, pool))


def advance(state: State, commit: Commit, head: str, idle: Unreferenced = unreferenced) -> State:
    """The state after a commit whose record has the hash `head`; `idle` tells which blobs are not in use.

    Raises:
        StoreCorruptError: The commit speaks of something that is not in the state.
    """
    try:
        return apply(state, commit, head, idle)
    except LookupError as error:
        raise StoreCorruptError(
            f"Commit {commit.number} contradicts the log before it ({error} is unknown); restore the log "
            "from a backup, or look at the system up to the commit before."
        ) from error


def replay(backend: AbstractBackend, number: int, thousand: int = THOUSAND) -> State:
    """The state at a commit, from the nearest checkpoint before it. Raises what `read` raises.

    Args:
        backend: Holds the log.
        number: Of the commit; the log must have it.
        thousand: Commits from one checkpoint to the next.
    """
    state = nearest_checkpoint(backend, number + 1, thousand).state
    start, in_use = state.view.number + 1, InUse()
    for commit, head in islice(follow(backend, start, state.head, thousand), number + 1 - start):
        state = advance(state, commit, head, in_use.unreferenced)
    return state


def full_thousands(backend: AbstractBackend, thousand: int = THOUSAND) -> int:
    """How many times a thousand commits a log without gaps has; asks for few sizes and lists nothing."""

    def full(thousands: int) -> bool:
        return backend.size(record_key(thousands * thousand - 1)) is not None

    high = 1
    while full(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if full(middle) else (low, middle)
    return low


def last_number(backend: AbstractBackend) -> int:
    """The highest number among all records, gaps or not; -1 when there is none. Lists the whole log."""
    return _highest(backend, LOG)


def last_number_after(backend: AbstractBackend, head: int) -> int:
    """The highest number among the records near `head`: in its folder of a thousand and in the next."""
    return max(_highest(backend, folder_of(head + 1)), _highest(backend, folder_of(head + 1001)))


def _highest(backend: AbstractBackend, prefix: str) -> int:
    numbers = (record_number(entry.key) for entry in backend.list(prefix))
    return max((number for number in numbers if number is not None), default=-1)


def _merged(backend: AbstractBackend, start: int, thousand: int) -> Iterator[bytes]:
    """Records from number `start`, of each thousand either all that are left in its segment or one by one."""
    while True:
        first = start - start % thousand
        segment = load_segment(backend, first // thousand, thousand)
        single = islice(records(backend, start), first + thousand - start)
        for data in single if segment is None else segment[start - first :]:
            yield data
            start += 1
        if start < first + thousand:
            return


def _ahead(
    backend: AbstractBackend, start: int, limit: int, pool: ThreadPoolExecutor
) -> Iterator[bytes | None]:
    """Objects of records, requested few at first and then as many at once as pay off."""
    at_once = min(4, limit)
    while True:
        yield from pool.map(backend.get, map(record_key, range(start, start + at_once)))
        start, at_once = start + at_once, min(4 * at_once, limit)


def _until_none(found: Iterator[bytes | None]) -> Iterator[bytes]:
    for data in found:
        if data is None:
            return
        yield data


def _chained(found: Iterator[bytes], number: int, previous: str | None) -> Iterator[tuple[Commit, str]]:
    for data in found:
        commit = _decode(number, data)
        if commit.number != number or previous not in (None, commit.previous):
            raise StoreCorruptError(
                f"{record_key(number)} holds commit {commit.number} after record {commit.previous[:12]!r}, "
                f"but commit {number} must follow {(previous or '')[:12]!r}. A record was replaced, or comes "
                "from another store; restore the log from a backup."
            )
        previous = hashlib.sha256(data).hexdigest()
        yield commit, previous
        number += 1


def _decode(number: int, data: bytes) -> Commit:
    try:
        return decode(data)
    except StoreError as error:
        raise type(error)(f"{record_key(number)}: {error}") from error
