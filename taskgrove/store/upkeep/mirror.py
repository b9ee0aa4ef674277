"""Mirrors: the same system in another place, brought up to date by copying only what is new.

Blobs first, then the records that refer to them. A mirror can be killed at any moment: its log never shows a
commit whose blobs are not there, and the next mirror goes on from where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from taskgrove.store.base import AbstractBackend
from taskgrove.store.header import read_header
from taskgrove.store.upkeep.mirror_ends import Past, Target, claimed, read_past
from taskgrove.store.upkeep.mirror_steps import (
    Copied,
    copy_blobs,
    copy_records,
    delete_collected,
    sound_commits,
)
from taskgrove.store.upkeep.names import Name, key_of
from taskgrove.store.upkeep.together import Told, silent

_AT_ONCE = 8
"""Also on a disk: it makes several objects durable in little more time than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorReport:
    """What a mirror has copied.

    Attributes:
        number: The newest commit that source and target share; -1 when there is none.
        num_commits, num_blobs: Copied now.
        num_bytes: Of the blobs copied now.
        num_there: Blobs that the target had already.
        num_deleted: Blobs that the source had collected as garbage, deleted in the target now.
        problems: What is damaged in the source and could not be copied, one text each.
    """

    number: int
    num_commits: int
    num_blobs: int
    num_bytes: int
    num_there: int
    num_deleted: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything has been copied."""
        return not self.problems


def mirror(
    source: AbstractBackend, target: AbstractBackend, told: Told = silent, *, at_once: int | None = None
) -> MirrorReport:
    """Make `target` the same system as `source` is now, or bring it up to date.

    Blobs are verified while they are copied. One that is damaged, and of which no other copy is found, ends
    the mirror's log before the commit that needs it; blobs of later commits are copied all the same. Of a
    fork, all is copied that it needs of its parent, so its mirror needs no parent.

    Args:
        source: Holds the system; it is only read.
        target: Empty, or an earlier mirror of the same system.
        told: Hears of the progress.
        at_once: How many objects are copied at the same time; by default what pays off.

    Raises:
        StorePathError: There is no store in `source`; `target` holds something else, or commits that the
            source does not have.
        StoreError: The source's header or the target's log is damaged.
        UnsafeBackendError: The target's storage does not honour exclusive creation.
        EnvironmentFailure: One of the storages fails.
    """
    header = read_header(source)
    past = read_past(source, header, told)
    there = claimed(target, header, past)
    limit = at_once or max(_AT_ONCE, source.reads_at_once, target.reads_at_once)
    copied = Copied()
    while True:
        copy_blobs(source, there, past, copied, limit, told)
        if not copied.lost:
            break
        # They may have been condemned and deleted since the log was read: then it has grown.
        newest, past = past.newest, read_past(source, header, told)
        if past.newest == newest:
            break
    before = there.head
    sound = sound_commits(there, past, copied.lost)
    copy_records(source, there, past, sound, header, limit, told)
    deleted = delete_collected(there, past)
    return MirrorReport(
        number=there.head,
        num_commits=there.head - before,
        num_blobs=copied.num_blobs,
        num_bytes=copied.num_bytes,
        num_there=len(past.expected) - copied.num_blobs - len(copied.lost),
        num_deleted=deleted,
        problems=tuple(_problems(source, there, past, copied.lost)),
    )


def _problems(source: AbstractBackend, there: Target, past: Past, lost: Mapping[Name, int]) -> Iterator[str]:
    if past.problem is not None:
        yield past.problem
    for name, number in sorted(lost.items(), key=lambda item: item[1]):
        yield (
            f"{key_of(name)} of {source} is missing or damaged; commit {number} needs it, so the mirror ends "
            f"with commit {there.head}. Heal the source (`taskgrove check --heal-from`) and mirror again."
        )
