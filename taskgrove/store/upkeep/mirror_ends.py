"""The two ends of a mirror: the source's log as it was read, and the place that is written to."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

import msgspec

from taskgrove.domain.errors import StoreCorruptError, StoreError, StorePathError
from taskgrove.store.base import AbstractBackend
from taskgrove.store.header import HEADER, Header, probe, read_header
from taskgrove.store.keys import BLOBS, LOG, record_key, record_number
from taskgrove.store.state import State
from taskgrove.store.unfinished import UNFINISHED, Unfinished, read_unfinished
from taskgrove.store.upkeep.names import Name, walk
from taskgrove.store.upkeep.together import Told
from taskgrove.store.upkeep.uses import Uses


@dataclass(slots=True)
class Past:
    """The source's log as it was read.

    Attributes:
        heads: sha256 of each record.
        uses: What they refer to.
        expected: The names that must be copied, with the commit that first refers to each.
        problem: What ended the log before its end.
    """

    uses: Uses
    heads: list[str] = field(default_factory=list)
    expected: Mapping[Name, int] = field(default_factory=dict)
    problem: str | None = None

    @property
    def newest(self) -> int:
        """The last commit that was read."""
        return len(self.heads) - 1


@dataclass(slots=True)
class Target:
    """The place that is written to, and what lies there.

    Attributes:
        backend: The place.
        blobs: Keys and sizes of its blobs.
        numbers: Of its records.
        head: The newest record that a reader sees there.
        whole: Whether it is a store already.
        noted: Whether it says that a mirror is being written.
    """

    backend: AbstractBackend
    blobs: dict[str, int]
    numbers: set[int]
    head: int
    whole: bool
    noted: bool

    def note(self, header: Header, first: int, last: int) -> None:
        """Say which records become visible together."""
        note = Unfinished(uuid=header.uuid, first=first, last=last)
        self.backend.put(UNFINISHED, msgspec.json.encode(note))
        self.noted = True

    def forget_note(self) -> None:
        """The mirror is finished, unless there are records that nobody sees yet."""
        if self.noted and self.whole and not self.has_gap:
            self.backend.delete([UNFINISHED])

    @property
    def has_gap(self) -> bool:
        """Whether there are records that a reader does not see."""
        return max(self.numbers, default=-1) > self.head


def read_past(source: AbstractBackend, header: Header, told: Told) -> Past:
    """Read the source's log as far as it can be read."""
    past = Past(Uses(None if header.parent is None else header.parent.number))
    state = State()
    try:
        for lived in walk(source):
            state = lived.state
            past.heads.append(state.head)
            past.uses.add(lived.commit, state)
            told("reading commits", len(past.heads), 0)
    except StoreError as error:
        past.problem = f"Commit {len(past.heads)}: {error}"
    past.expected = past.uses.expected(source, state)
    return past


def claimed(target: AbstractBackend, header: Header, past: Past) -> Target:
    """The target, which is empty or a mirror of this system, and so from now on for others, too."""
    whole, note = target.size(HEADER) is not None, read_unfinished(target)
    if whole:
        _refuse_stranger(target, header)
    elif note is not None and note.uuid != header.uuid:
        raise StorePathError(
            f"{target} holds the beginning of a mirror of another system ({note.uuid[:12]}); choose another "
            "place."
        )
    numbers = {n for entry in target.list(LOG) if (n := record_number(entry.key)) is not None}
    there = Target(
        backend=target,
        blobs={entry.key: entry.size_bytes for entry in target.list(BLOBS)},
        numbers=numbers,
        head=next(n for n in count() if n not in numbers) - 1 if whole else -1,
        whole=whole,
        noted=note is not None,
    )
    if whole:
        _refuse_other_way(there, past)
    elif note is None:
        found = next(iter(target.list("")), None)
        if found is not None:
            raise StorePathError(
                f"{target} is neither empty nor a mirror (it holds {found.key}); choose another place."
            )
        there.note(header, 0, past.newest)
    probe(target)
    return there


def _refuse_stranger(target: AbstractBackend, header: Header) -> None:
    found = read_header(target)
    if found.uuid != header.uuid:
        raise StorePathError(
            f"{target} holds another system ({found.uuid[:12]}, not {header.uuid[:12]}); choose another "
            "place."
        )
    if found.parent is not None and found.parent.location is not None:
        raise StorePathError(
            f"{target} is a fork, which holds only what it added to its parent, so it cannot be a mirror; "
            "choose an empty place."
        )


def _refuse_other_way(there: Target, past: Past) -> None:
    """Refuse a target whose log is not the beginning of the source's."""
    target = there.backend
    if past.problem is not None and there.head > past.newest:
        raise StoreCorruptError(
            f"{past.problem} The mirror {target} goes on to commit {there.head}: heal the source with "
            f"`taskgrove check --heal-from {target}`."
        )
    shared = range(min(there.head, past.newest) + 1)
    if shared and not _same(target, past, shared[-1]):
        raise other_way(target, bisect_left(shared, True, key=lambda number: not _same(target, past, number)))
    if there.head > past.newest:
        raise other_way(target, past.newest + 1)


def _same(target: AbstractBackend, past: Past, number: int) -> bool:
    return hashlib.sha256(target.get(record_key(number)) or b"").hexdigest() == past.heads[number]


def other_way(target: AbstractBackend, number: int) -> StorePathError:
    """The error for a target that has another commit of a number."""
    return StorePathError(
        f"{target} has gone its own way: its commit {number} is not that of the source, since somebody has "
        "written to it, or the record is damaged (`taskgrove check` tells). Choose another place."
    )
