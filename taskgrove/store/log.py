"""The log: one record per object, numbered without gaps, each with the hash of the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from taskgrove.domain.errors import StoreCorruptError, StoreError
from taskgrove.domain.records import Commit
from taskgrove.store.base import AbstractBackend
from taskgrove.store.codec import decode
from taskgrove.store.keys import LOG, record_key, record_number
from taskgrove.store.state import State, apply


def read(backend: AbstractBackend, start: int, previous: str | None) -> Iterator[tuple[Commit, str]]:
    """Commits from number `start` until the log ends, each with the sha256 of its bytes.

    Args:
        backend: Holds the log.
        start: Number of the first commit to read.
        previous: sha256 of the record before `start`; None when that is not known.

    Raises:
        StoreCorruptError: A record is damaged or does not follow the one before it.
        StoreFormatError: A record was written by another version of Taskgrove.
    """
    number = start
    while (data := backend.get(record_key(number))) is not None:
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


def advance(state: State, commit: Commit, head: str) -> State:
    """The state after a commit whose record has the hash `head`.

    Raises:
        StoreCorruptError: The commit speaks of something that is not in the state.
    """
    try:
        return replace(apply(state, commit), head=head)
    except LookupError as error:
        raise StoreCorruptError(
            f"Commit {commit.number} contradicts the log before it ({error} is unknown); restore the log "
            "from a backup, or look at the system up to the commit before."
        ) from error


def replay(backend: AbstractBackend, number: int) -> State:
    """The state at commit `number`, from the beginning of the log. Raises what `read` raises."""
    state = State()
    for commit, head in islice(read(backend, 0, ""), number + 1):
        state = advance(state, commit, head)
    return state


def last_number(backend: AbstractBackend) -> int:
    """The highest number among all records, gaps or not; -1 when there is none. Lists the whole log."""
    numbers = (record_number(entry.key) for entry in backend.list(LOG))
    return max((number for number in numbers if number is not None), default=-1)


def _decode(number: int, data: bytes) -> Commit:
    try:
        return decode(data)
    except StoreError as error:
        raise type(error)(f"{record_key(number)}: {error}") from error
