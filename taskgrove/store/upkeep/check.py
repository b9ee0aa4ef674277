"""Check a store: walk the log, verify the rules again, look for every blob. Damage is data, not an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from taskgrove.domain.errors import StoreError, StorePathError, UserError
from taskgrove.domain.ids import BlobId
from taskgrove.domain.records import AddTask, Commit
from taskgrove.store import log
from taskgrove.store.base import AbstractBackend
from taskgrove.store.blobs import referenced_by
from taskgrove.store.header import check_header
from taskgrove.store.keys import BLOBS, blob_id, blob_key, blob_of
from taskgrove.store.rules import validate
from taskgrove.store.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check found.

    Attributes:
        num_commits: Records that are intact, follow each other and obey the rules.
        num_blobs: Blobs that those commits refer to.
        num_orphans: Blobs that no commit refers to, of children whose writer died; harmless.
        orphan_bytes: Their size.
        problems: What is damaged and what that means, one text each; empty for a sound store.
    """

    num_commits: int
    num_blobs: int
    num_orphans: int
    orphan_bytes: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems


@dataclass(slots=True)
class _Walk:
    """What the walk along the log has gathered so far."""

    state: State = field(default_factory=State)
    first_use: dict[BlobId, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def check(backend: AbstractBackend, deep: bool = True) -> CheckReport:
    """Check everything that a store promises; temporary files of killed writers do not count.

    Args:
        backend: Holds the store; it is only read.
        deep: Read every blob and compare its hash with its name; otherwise only look whether it is there.

    Raises:
        StorePathError: There is nothing that looks like a store.
        EnvironmentFailure: The storage itself cannot be read.
    """
    walk, last = _Walk(), log.last_number(backend)
    try:
        check_header(backend)
    except (StoreError, StorePathError) as error:
        if isinstance(error, StorePathError) and last < 0:
            raise
        walk.problems.append(str(error))
    _walk_log(backend, walk, last)
    sizes = {entry.key: entry.size_bytes for entry in backend.list(BLOBS)}
    for blob, use in sorted(walk.first_use.items()):
        walk.problems.extend(_blob_problems(backend, blob, use, sizes, deep))
    orphans = [size for key, size in sizes.items() if blob_of(key) not in walk.first_use]
    return CheckReport(
        num_commits=walk.state.view.number + 1,
        num_blobs=len(walk.first_use),
        num_orphans=len(orphans),
        orphan_bytes=sum(orphans),
        problems=tuple(walk.problems),
    )


def _walk_log(backend: AbstractBackend, walk: _Walk, last: int) -> None:
    try:
        for commit, head in log.read(backend, 0, ""):
            validate(walk.state, commit.operation)
            walk.state = log.advance(walk.state, commit, head)
            for blob in referenced_by(commit.operation):
                walk.first_use.setdefault(blob, _use(commit))
    except (StoreError, UserError) as error:
        walk.problems.append(f"Commit {walk.state.view.number + 1}: {error}")
    unread = last - walk.state.view.number
    if unread > 0:
        walk.problems.append(
            f"The log can be followed up to commit {walk.state.view.number}, but there are records up to "
            f"commit {last}: {unread} numbers are missing, damaged or unproved. Restore them from a backup."
        )


def _use(commit: Commit) -> str:
    operation = commit.operation
    what = f"the data of task {operation.task.name!r}" if isinstance(operation, AddTask) else "a model"
    return f"{what} of commit {commit.number}"


def _blob_problems(
    backend: AbstractBackend, blob: BlobId, use: str, sizes: dict[str, int], deep: bool
) -> Iterator[str]:
    key = blob_key(blob)
    if key not in sizes:
        yield f"{key} is missing; {use} needs it. Restore it from a backup."
    elif deep and blob_id(backend.get(key) or b"") != blob:
        yield f"{key} is damaged: its bytes have another sha256; {use} needs it. Restore it from a backup."
