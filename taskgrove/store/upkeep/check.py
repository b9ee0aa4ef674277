"""Check a store: walk the log, verify the rules again, look for every blob. Damage is data, not an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from taskgrove.domain.errors import StoreError, StorePathError, UserError
from taskgrove.domain.records import AddTask
from taskgrove.store import log
from taskgrove.store.base import AbstractBackend
from taskgrove.store.codec import decode
from taskgrove.store.forked import owned
from taskgrove.store.header import read_header
from taskgrove.store.keys import BLOBS, blob_id, blob_of, record_key
from taskgrove.store.rules import validate
from taskgrove.store.state import State
from taskgrove.store.unfinished import hidden, read_unfinished
from taskgrove.store.upkeep.caches import Caches
from taskgrove.store.upkeep.names import Name, key_of
from taskgrove.store.upkeep.together import Told, silent, together
from taskgrove.store.upkeep.uses import Uses


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check found.

    Attributes:
        num_commits: Records that are intact, follow each other and obey the rules.
        num_blobs: Blobs that those commits refer to and that were not collected.
        num_orphans: Blobs that no commit refers to, of children whose writer died, or that a collector had
            no time to delete; harmless. Of a fork, only its own.
        orphan_bytes: Their size.
        problems: What is damaged and what that means, one text each; empty for a sound store.
        lost: The blobs among the damaged, each with its text of `problems`.
        unusable: Keys of segments and checkpoints that are damaged or of another version. Harmless: all
            readers ignore them.
        wrong: Keys of checkpoints that contradict the log; they are problems, too.
        unfinished: Records that were not written to their end, one text each. Harmless if a writer was killed
            there: nobody was told that they are done.
    """

    num_commits: int
    num_blobs: int
    num_orphans: int
    orphan_bytes: int
    problems: tuple[str, ...]
    lost: Mapping[Name, str] = field(default_factory=dict)
    unusable: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.problems


@dataclass(slots=True)
class _Walk:
    """What the walk along the log has gathered so far."""

    uses: Uses
    caches: Caches
    state: State = field(default_factory=State)
    problems: list[str] = field(default_factory=list)


def check(backend: AbstractBackend, deep: bool = True, told: Told = silent) -> CheckReport:
    """Check everything that a store promises; temporary files of killed writers do not count.

    Args:
        backend: Holds the store; it is only read.
        deep: Read every blob and compare its hash with its name; otherwise only look whether it is there.
        told: Hears of the progress.

    Raises:
        StorePathError: There is nothing that looks like a store.
        EnvironmentFailure: The storage itself cannot be read.
    """
    last = log.last_number(backend)
    walk = _begun(backend, last)
    _walk_log(backend, walk, last, told)
    sizes = {entry.key: entry.size_bytes for entry in backend.list(BLOBS)}
    own = {entry.key: entry.size_bytes for entry in owned(backend).list(BLOBS)}
    expected = walk.uses.expected(backend, walk.state)
    lost = dict(_lost(backend, expected, sizes, deep, told))
    orphans = [size for key, size in own.items() if blob_of(key) not in expected]
    return CheckReport(
        num_commits=walk.state.view.number + 1,
        num_blobs=len(expected),
        num_orphans=len(orphans),
        orphan_bytes=sum(orphans),
        problems=(*walk.problems, *map(_wrong, walk.caches.wrong), *lost.values()),
        lost=lost,
        unusable=tuple(walk.caches.unusable()),
        wrong=tuple(walk.caches.wrong),
        unfinished=tuple(owned(backend).unfinished()),
    )


def _begun(backend: AbstractBackend, last: int) -> _Walk:
    """A walk that knows what the header says; a header that is lost, where there is a log, is a problem."""
    try:
        parent = read_header(backend).parent
    except (StoreError, StorePathError) as error:
        if isinstance(error, StorePathError) and (last < 0 or read_unfinished(backend) is not None):
            raise
        return _Walk(Uses(), Caches(backend), problems=[str(error)])
    return _Walk(Uses(None if parent is None else parent.number), Caches(backend))


def _walk_log(backend: AbstractBackend, walk: _Walk, last: int, told: Told) -> None:
    try:
        for commit, head in log.read(backend, 0, ""):
            validate(walk.state, commit)
            walk.state = log.advance(walk.state, commit, head)
            walk.uses.add(commit, walk.state)
            walk.caches.compare(walk.state)
            told("reading commits", commit.number + 1, last + 1)
    except (StoreError, UserError) as error:
        walk.problems.append(f"Commit {walk.state.view.number + 1}: {error}")
    head_number = walk.state.view.number
    if last > head_number and not hidden(backend, head_number, last):
        walk.problems.append(
            f"The log can be followed up to commit {head_number}, but there are records up to commit {last}: "
            f"{last - head_number} numbers are missing, damaged or unproved. Restore them from a backup, or "
            "with --heal-from."
        )


def _wrong(key: str) -> str:
    return f"{key} is intact but contradicts the log, and those who open the store believe it; delete it."


def _lost(
    backend: AbstractBackend, expected: Mapping[Name, int], sizes: Mapping[str, int], deep: bool, told: Told
) -> Iterator[tuple[Name, str]]:
    def damage(name: Name) -> str | None:
        key = key_of(name)
        if key not in sizes:
            return "is missing"
        if deep and blob_id(backend.get(key) or b"") != name[0]:
            return "is damaged: its bytes have another sha256"
        return None

    names = sorted(expected)
    total, done = sum(sizes.get(key_of(name), 0) for name in names), 0
    for name, found in zip(names, together(backend.reads_at_once, damage, names), strict=True):
        done += sizes.get(key_of(name), 0)
        if deep:
            told("hashing blobs (bytes)", done, total)
        if found is not None:
            use = _use(backend, expected[name])
            yield (
                name,
                f"{key_of(name)} {found}; {use} needs it. Restore it from a backup, or with --heal-from.",
            )


def _use(backend: AbstractBackend, number: int) -> str:
    operation = decode(backend.get(record_key(number)) or b"").operation
    what = f"the data of task {operation.task.name!r}" if isinstance(operation, AddTask) else "a model"
    return f"{what} of commit {number}"
