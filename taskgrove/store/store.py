"""A store: blobs by content and one append-only log, safe for any number of writers at once."""

from __future__ import annotations

import hashlib
import random
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import final

from taskgrove.domain.errors import (
    BadValueError,
    CommitRefusedError,
    EnvironmentFailure,
    StorageAccessError,
    StoreCorruptError,
)
from taskgrove.domain.ids import BlobId, CommitId
from taskgrove.domain.records import Commit, Operation
from taskgrove.domain.view import SystemView
from taskgrove.store import log
from taskgrove.store.base import AbstractBackend
from taskgrove.store.blobs import exists, fetch, referenced_by, unreferenced
from taskgrove.store.codec import decode, encode
from taskgrove.store.header import check_header, probe, write_header
from taskgrove.store.keys import blob_id, blob_key, record_key
from taskgrove.store.rules import validate
from taskgrove.store.state import State

_REMEMBERED_IDS = 10_000
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
    """

    def __init__(
        self, backend: AbstractBackend, *, writable: bool = True, clock: Callable[[], float] = time.time
    ) -> None:
        self.backend = backend
        self.writable = writable
        self.clock = clock
        self._state = State()
        self._numbers: OrderedDict[CommitId, int] = OrderedDict()
        self._put: set[BlobId] = set()
        self._lock = threading.RLock()

    @classmethod
    def create(cls, backend: AbstractBackend, *, clock: Callable[[], float] = time.time) -> Store:
        """A new, empty store.

        Raises:
            StorePathError: The place is not empty.
            UnsafeBackendError: The storage does not honour exclusive creation.
        """
        write_header(backend)
        return cls.open(backend, clock=clock)

    @classmethod
    def open(
        cls, backend: AbstractBackend, writable: bool = True, *, clock: Callable[[], float] = time.time
    ) -> Store:
        """The store on a backend, refreshed.

        Args:
            backend: Where the bytes are.
            writable: False promises not to write, so that a read-only folder can be read.
            clock: Seconds since the epoch, for the times in records.

        Raises:
            StorePathError: There is no store.
            StoreFormatError: Another version of Taskgrove made it.
            StoreCorruptError: The log is damaged.
            UnsafeBackendError: The storage does not honour exclusive creation.
        """
        check_header(backend)
        if writable:
            probe(backend)
        store = cls(backend, writable=writable, clock=clock)
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
            number: Of the commit, -1 for the empty system; None refreshes and takes the head. An
                older commit is replayed from the beginning of the log.

        Raises:
            BadValueError: There is no such commit.
        """
        if number is None or number > self._state.view.number:
            self.refresh()
        newest = self._state.view
        if number is None or number == newest.number:
            return newest
        if not -1 <= number < newest.number:
            raise BadValueError(f"There is no commit {number}: the log has commits 0 to {newest.number}.")
        return log.replay(self.backend, number).view

    def history(self, start: int = 0) -> Iterator[Commit]:
        """Commits from number `start` to the head of the log, read as they are asked for."""
        if start < 0:
            raise BadValueError(f"History starts at commit 0, got {start}.")
        for commit, _ in log.read(self.backend, start, "" if start == 0 else None):
            yield commit

    def commit(
        self,
        operation: Operation,
        *,
        id: CommitId | None = None,
        meters: Mapping[str, float] | None = None,
    ) -> Commit:
        """Append an operation to the log, exactly once, whoever else is writing.

        Args:
            operation: Validated against the head of the log; again whenever another writer was faster.
            id: Give the same id to repeat a commit whose reply was lost: if it is among the newest
                10,000 commits, that one is returned. None makes a fresh id.
            meters: What it took, for the record; see `Commit`.

        Raises:
            CommitRefusedError: The operation contradicts the log, refers to a blob that does not
                exist, or `id` was used for another operation.
            DuplicateNameError: A task's name is taken.
            UnknownNameError: A task or an experiment does not exist.
            BadValueError: The operation holds NaN or a value of a wrong type.
            EnvironmentFailure: The storage cannot be written.
        """
        self._refuse_reader()
        draft = Commit(
            number=0,
            previous="",
            id=id or CommitId(uuid.uuid4().hex),
            time=self.clock(),
            operation=operation,
            meters=dict(meters or {}),
        )
        # What is validated and applied here is what every other reader will decode.
        draft = decode(encode(draft))
        with self._lock:
            return self._appended(draft)

    def put_blob(self, data: bytes) -> BlobId:
        """Store bytes under their hash; a commit may refer to them once this has returned.

        What the committed state refers to is there already. Anything else is written even when an
        object of that name exists: it may be somebody's orphan that is about to be collected.
        """
        self._refuse_reader()
        blob = blob_id(data)
        if unreferenced(self._state.view, frozenset({blob})):
            self.backend.put(blob_key(blob), data)
        self._put.add(blob)
        return blob

    def get_blob(self, blob: BlobId) -> bytes:
        """The bytes of a blob, verified.

        Raises:
            StoreCorruptError: The blob is missing or its bytes do not match its name.
        """
        return fetch(self.backend, blob, self._state.view)

    def _appended(self, draft: Commit) -> Commit:
        pauses = random.Random(draft.id)
        for attempt in range(_TRIES):
            self.refresh()
            if draft.id in self._numbers:
                return self._repeated(draft)
            validate(self._state, draft.operation)
            self._refuse_dangling(draft.operation)
            committed = self._tried(draft)
            if committed is not None:
                self._put -= referenced_by(draft.operation)  # the state refers to them from now on
                return committed
            # "Exists" means ours after a lost reply, another writer's, or (S3's 409) nothing at all:
            # the refresh of the next attempt finds out which.
            time.sleep(pauses.uniform(0, min(_LONGEST_PAUSE_S, 0.001 * 2.0**attempt)))
        raise EnvironmentFailure(
            f"{_TRIES} attempts to append to the log of {self.backend} failed: each time the storage said "
            f"that commit {self._state.view.number + 1} exists. Either it does not show what it holds, or "
            "very many others are writing; nothing was committed, so try again later."
        )

    def _tried(self, draft: Commit) -> Commit | None:
        commit = replace(draft, number=self._state.view.number + 1, previous=self._state.head)
        data = encode(commit)
        if not self.backend.put_new(record_key(commit.number), data):
            return None
        self._advance(commit, hashlib.sha256(data).hexdigest())
        return commit

    def _repeated(self, draft: Commit) -> Commit:
        number = self._numbers[draft.id]
        found = next(self.history(number))
        if found.operation != draft.operation:
            raise CommitRefusedError(
                f"The id {draft.id!r} belongs to commit {number}, which did something else; "
                "an id is repeated only to repeat its commit."
            )
        return found

    def _advance(self, commit: Commit, head: str) -> None:
        self._state = log.advance(self._state, commit, head)
        self._numbers[commit.id] = commit.number
        if len(self._numbers) > _REMEMBERED_IDS:
            self._numbers.popitem(last=False)

    def _refuse_gap(self) -> None:
        """Refuse a log with a missing record: the next commit would be written into the gap."""
        last = log.last_number(self.backend)
        head = self.refresh().number
        if head < last:
            raise StoreCorruptError(
                f"{record_key(head + 1)} is missing, but there are records up to commit {last}. Restore it "
                "from a backup; the later records cannot be used without it."
            )

    def _refuse_dangling(self, operation: Operation) -> None:
        for blob in sorted(unreferenced(self._state.view, referenced_by(operation) - self._put)):
            if not exists(self.backend, blob):
                raise CommitRefusedError(
                    f"The {type(operation).__name__} refers to blob {blob}, which is not in {self.backend}; "
                    "put the blob first, then commit."
                )

    def _refuse_reader(self) -> None:
        if not self.writable:
            raise StorageAccessError(
                f"{self.backend} was opened for reading only; open it with writable=True."
            )
