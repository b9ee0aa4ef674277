"""A store: blobs by content and one append-only log, safe for any number of writers at once."""

from __future__ import annotations

import hashlib
import random
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import final

from taskgrove.domain.errors import (
    BadValueError,
    BlobsCollectedError,
    CommitRefusedError,
    EnvironmentFailure,
    StorageAccessError,
    StoreCorruptError,
    TaskgroveError,
)
from taskgrove.domain.ids import BlobId, CommitId
from taskgrove.domain.records import Commit, Operation
from taskgrove.domain.view import SystemView
from taskgrove.store import log
from taskgrove.store.base import AbstractBackend
from taskgrove.store.blobs import copy_of, fetch, referenced_by
from taskgrove.store.checkpoint import Checkpoint, keep_checkpoint, nearest_checkpoint
from taskgrove.store.codec import Draft, draft
from taskgrove.store.forked import owned
from taskgrove.store.header import check_header, probe, write_header
from taskgrove.store.in_use import InUse
from taskgrove.store.keys import blob_id, blob_key, record_key
from taskgrove.store.machine_cache import MachineCache
from taskgrove.store.rules import fence, validate_at, validate_models
from taskgrove.store.segments import THOUSAND, keep_segment
from taskgrove.store.state import State
from taskgrove.store.unfinished import hidden

_REMEMBERED_IDS = 10_000
_REMEMBERED_BLOBS = 10_000
_TRIES = 100
_LONGEST_PAUSE_S = 0.25


@final
class Store:
    """A store on a backend; make one with `Store.create` or `Store.open`.

    One instance may be shared by threads; processes open their own.

    Args:
        backend: Where the bytes are.
        writable: Whether `commit` and `put_blob` may be called.
        clock: Seconds since the epoch, for the times in records.
        thousand: Commits of a segment, and from one checkpoint to the next; less only for tests.
        cache: Of blobs on this machine, where the backend is far away.
    """

    def __init__(
        self,
        backend: AbstractBackend,
        *,
        writable: bool = True,
        clock: Callable[[], float] = time.time,
        thousand: int = THOUSAND,
        cache: MachineCache | None = None,
    ) -> None:
        self.backend = backend
        self.writable = writable
        self.clock = clock
        self.thousand = thousand
        self._cache = cache
        self._state = State()
        self._numbers: OrderedDict[CommitId, int] = OrderedDict()
        self._put: dict[BlobId, int] = {}
        """Blobs that lie under a name of an epoch; nobody deletes them before it has ended."""
        self._in_use = InUse()
        self._alone = False
        """Whether no other writer came between this one's last two commits."""
        self._lock = threading.RLock()

    @classmethod
    def create(
        cls,
        backend: AbstractBackend,
        *,
        clock: Callable[[], float] = time.time,
        thousand: int = THOUSAND,
        cache: MachineCache | None = None,
    ) -> Store:
        """A new, empty store.

        Raises:
            StorePathError: The place is not empty.
            UnsafeBackendError: The storage does not honour exclusive creation.
        """
        write_header(backend)
        return cls.open(backend, clock=clock, thousand=thousand, cache=cache)

    @classmethod
    def open(
        cls,
        backend: AbstractBackend,
        writable: bool = True,
        *,
        clock: Callable[[], float] = time.time,
        thousand: int = THOUSAND,
        cache: MachineCache | None = None,
    ) -> Store:
        """The store on a backend, refreshed.

        Args:
            backend: Where the bytes are.
            writable: False promises not to write, so that a read-only folder can be read.
            clock: Seconds since the epoch, for the times in records.
            thousand: Commits of a segment, and from one checkpoint to the next; less only for tests.
            cache: Of blobs on this machine, where the backend is far away.

        Raises:
            StorePathError: There is no store.
            StoreFormatError: Another version of Taskgrove made it.
            StoreCorruptError: The log is damaged.
            UnsafeBackendError: The storage does not honour exclusive creation.
        """
        check_header(backend)
        if writable:
            probe(backend)
        store = cls(backend, writable=writable, clock=clock, thousand=thousand, cache=cache)
        store._catch_up()
        store._refuse_gap()
        return store

    @property
    def state(self) -> State:
        """The state at the last refresh or commit."""
        return self._state

    def refresh(self) -> SystemView:
        """Read what others have committed and return the view at the head of the log.

        Raises:
            StoreCorruptError: A record is damaged or does not follow the one before it.
            StoreFormatError: A record was written by another version of Taskgrove.
        """
        with self._lock:
            for commit, head in log.read(self.backend, self._state.view.number + 1, self._state.head):
                self._advance(commit, head)
            return self._state.view

    def view(self, number: int | None = None) -> SystemView:
        """The system at a commit.

        Args:
            number: Of the commit, -1 for the empty system; None refreshes and takes the head.

        Raises:
            BadValueError: There is no such commit.
        """
        return self.refresh() if number is None else self.state_at(number).view

    def state_at(self, number: int) -> State:
        """Everything that the log says at a commit; an older one is replayed from the checkpoint before it.

        Args:
            number: Of the commit; -1 for the empty system.

        Raises:
            BadValueError: There is no such commit.
        """
        if number > self._state.view.number:
            self.refresh()
        newest = self._state
        if number == newest.view.number:
            return newest
        if not -1 <= number < newest.view.number:
            raise BadValueError(
                f"There is no commit {number}: the log has commits 0 to {newest.view.number}."
            )
        return log.replay(self.backend, number, self.thousand)

    def history(self, start: int = 0, stop: int | None = None) -> Iterator[Commit]:
        """Commits from number `start` to before `stop`, or to the head; read as they are asked for."""
        if start < 0:
            raise BadValueError(f"History starts at commit 0, got {start}.")
        commits = log.follow(self.backend, start, "" if start == 0 else None, self.thousand)
        for commit, _ in commits if stop is None else islice(commits, max(0, stop - start)):
            yield commit

    def commit(
        self,
        operation: Operation,
        *,
        id: CommitId | None = None,
        meters: Mapping[str, float] | None = None,
        claim: int | None = None,
    ) -> Commit:
        """Append an operation to the log, exactly once, whoever else is writing.

        Args:
            operation: Validated against the head of the log; again whenever another writer was faster.
            id: Give the same id to repeat a commit whose reply was lost: if it is among the newest
                10,000 commits, that one is returned. None makes a fresh id.
            meters: What it took, for the record; see `Commit`.
            claim: Number of the commit that claimed the task, for operations that grow a claimed one.

        Raises:
            CommitRefusedError: The operation contradicts the log, refers to a blob that does not
                exist, or `id` was used for another operation.
            ClaimLostError: Another has claimed the task.
            BlobsCollectedError: A blob was put, but collected as garbage before this commit.
            DuplicateNameError: A task's name or a tag is taken.
            UnknownNameError: A task or an experiment does not exist.
            BadValueError: The operation holds NaN or a value of a wrong type.
            EnvironmentFailure: The storage cannot be written.
        """
        self._refuse_reader()
        # What is validated and applied is what every other reader will decode.
        drafted = draft(
            Commit(
                number=0,
                previous="",
                id=id or CommitId(uuid.uuid4().hex),
                time=self.clock(),
                operation=operation,
                meters=dict(meters or {}),
                claim=claim,
            )
        )
        validate_models(drafted.commit)
        with self._lock:
            return self._appended(drafted)

    def put_blob(self, data: bytes) -> BlobId:
        """Store bytes under their hash; a commit may refer to them once this has returned.

        What the committed state refers to is there already. Anything else is written even when an
        object of that name exists: it may be somebody's orphan that is about to be collected.
        """
        self._refuse_reader()
        blob, state = blob_id(data), self._state
        if self._in_use.unreferenced(state.view, frozenset({blob})):
            self.backend.put(blob_key(blob, state.epoch), data)
            self._remember(blob, state.epoch)
        if self._cache is not None:
            self._cache.keep(blob, data)
        return blob

    def get_blob(self, blob: BlobId) -> bytes:
        """The bytes of a blob, verified.

        Raises:
            StoreCorruptError: The blob is missing or its bytes do not match its name.
        """
        data = None if self._cache is None else self._cache.get(blob)
        if data is None:
            data = fetch(self.backend, blob, self._state.epoch_of(blob), self._state.view)
            if self._cache is not None:
                self._cache.keep(blob, data)
        return data

    def blob_file(self, blob: BlobId) -> Path | None:
        """A file of this machine with the blob's verified bytes, to be mapped; None where none is kept.

        Raises:
            StoreCorruptError: The blob is missing or its bytes do not match its name.
        """
        if self._cache is None:
            return None
        self.get_blob(blob)
        return self._cache.path(blob)

    def _appended(self, drafted: Draft) -> Commit:
        before = self._state.view.number
        for attempt in range(_TRIES):
            commit = self._turned(drafted, first=attempt == 0)
            if commit is not None:
                self._alone = commit.number == before + 1
                self._keep_caches(commit)
                return commit
            # "Exists" means ours after a lost reply, another writer's, or (S3's 409) nothing at all:
            # the refresh of the next attempt finds out which.
            pause_s = min(_LONGEST_PAUSE_S, 0.001 * 2.0**attempt)
            time.sleep(random.Random(f"{drafted.commit.id} {attempt}").uniform(0, pause_s))
        raise EnvironmentFailure(
            f"{_TRIES} attempts to append to the log of {self.backend} failed: each time the storage said "
            f"that commit {self._state.view.number + 1} exists. Either it does not show what it holds, or "
            "very many others are writing; nothing was committed, so try again later."
        )

    def _turned(self, drafted: Draft, first: bool) -> Commit | None:
        """An attempt to append, in a turn where the storage grants one; None when it must be repeated.

        A writer that is alone does not look for newer records at first: if it creates the record after the
        newest that it knows, there is none.
        """
        unseen = first and self._alone
        if not unseen:
            self.refresh()  # before others must wait
        with self.backend.turn() as granted:
            if granted:
                self.refresh()
            if drafted.commit.id in self._numbers:
                fence(self._state, drafted.commit)
                return self._repeated(drafted.commit)
            placed = self._placed(drafted, unseen and not granted)
        if placed is None:
            return None
        commit, record = placed
        self._advance(commit, hashlib.sha256(record).hexdigest())
        return commit

    def _placed(self, drafted: Draft, unseen: bool) -> tuple[Commit, bytes] | None:
        """Append after the newest known record; a refusal counts only where newer ones were looked for."""
        state = self._state
        commit, record = drafted.placed(state.view.number + 1, state.head, state.epoch)
        try:
            validate_at(state, commit, self._in_use.unreferenced)
            self._settle_blobs(commit.operation)
        except TaskgroveError:
            if unseen:
                return None
            raise
        return (commit, record) if self.backend.put_new(record_key(commit.number), record) else None

    def _repeated(self, commit: Commit) -> Commit:
        number = self._numbers[commit.id]
        found = next(self.history(number))
        if found.operation != commit.operation:
            raise CommitRefusedError(
                f"The id {commit.id!r} belongs to commit {number}, which did something else; "
                "an id is repeated only to repeat its commit."
            )
        return found

    def _advance(self, commit: Commit, head: str) -> None:
        self._state = log.advance(self._state, commit, head, self._in_use.unreferenced)
        self._numbers[commit.id] = commit.number
        if len(self._numbers) > _REMEMBERED_IDS:
            self._numbers.popitem(last=False)

    def _catch_up(self) -> None:
        """Go on from the newest checkpoint."""
        full = log.full_thousands(self.backend, self.thousand)
        found = nearest_checkpoint(self.backend, full * self.thousand, self.thousand)
        self._state, self._numbers = found.state, OrderedDict(found.numbers)
        start, previous = self._state.view.number + 1, self._state.head
        for commit, head in log.follow(self.backend, start, previous, self.thousand):
            self._advance(commit, head)

    def _keep_caches(self, commit: Commit) -> None:
        """After the last commit of a thousand, spare others the reading of it."""
        segment, left = divmod(commit.number + 1, self.thousand)
        if left or commit.number != self._state.view.number:
            return
        with suppress(TaskgroveError):  # the commit is done, and without caches all is only slower
            keep_checkpoint(self.backend, Checkpoint(state=self._state, numbers=self._numbers))
            records = islice(log.records(self.backend, (segment - 1) * self.thousand), self.thousand)
            keep_segment(self.backend, segment - 1, records)

    def _refuse_gap(self) -> None:
        """Refuse a log with a missing record: the next commit would be written into the gap."""
        last = log.last_number_after(self.backend, self._state.view.number)
        head = self.refresh().number  # after the listing, since others may be writing
        if head < last and hidden(self.backend, head, last):
            if self.writable:
                raise StorageAccessError(
                    f"{self.backend} is a mirror that was interrupted while it was brought up to date. Give "
                    "the same `taskgrove mirror` again; if its source is lost, mirror it and use the copy."
                )
        elif head < last:
            raise StoreCorruptError(
                f"{record_key(head + 1)} is missing, but there are records up to commit {last}. Restore it "
                "from a backup; the later records cannot be used without it."
            )

    def _settle_blobs(self, operation: Operation) -> None:
        """Make sure that all new blobs lie under names of this epoch, which no collector may delete."""
        epoch, own = self._state.epoch, owned(self.backend)  # a fork's parent keeps for it only what was live
        for blob in sorted(self._in_use.unreferenced(self._state.view, referenced_by(operation))):
            if self._put.get(blob) == epoch:
                continue
            if own.size(blob_key(blob, epoch)) is not None:
                self._remember(blob, epoch)
                continue
            data = copy_of(self.backend, blob)
            if data is not None:
                self.backend.put(blob_key(blob, epoch), data)
            elif epoch > 0:
                raise BlobsCollectedError(
                    f"Blob {blob} is not in {self.backend}: most likely it was put before garbage was "
                    "collected. Nothing was committed; put it again, and collect garbage with a longer grace."
                )
            else:
                raise CommitRefusedError(
                    f"The {type(operation).__name__} refers to blob {blob}, which is not in {self.backend}; "
                    "put the blob first, then commit."
                )

    def _remember(self, blob: BlobId, epoch: int) -> None:
        if len(self._put) >= _REMEMBERED_BLOBS:
            self._put = {}
        self._put[blob] = epoch

    def _refuse_reader(self) -> None:
        if not self.writable:
            raise StorageAccessError(
                f"{self.backend} was opened for reading only; open it with writable=True."
            )
