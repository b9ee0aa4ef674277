"""Which blob names the history refers to: the walk along the log that all upkeep shares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from taskgrove.domain.ids import BlobId
from taskgrove.domain.records import Commit, Condemn
from taskgrove.store import log
from taskgrove.store.base import AbstractBackend
from taskgrove.store.blobs import blobs_of, referenced_by
from taskgrove.store.keys import blob_key
from taskgrove.store.state import State

Name = tuple[BlobId, int]
"""A blob and the epoch in which it was put: what stands in its key."""


@dataclass(frozen=True, slots=True)
class Lived:
    """One commit of the walk.

    Attributes:
        commit: As recorded.
        state: After it.
    """

    commit: Commit
    state: State

    @property
    def names(self) -> frozenset[Name]:
        """The blobs that the commit refers to, each under the name that it had then."""
        return names_of(self.state, referenced_by(self.commit.operation))


def walk(backend: AbstractBackend, stop: int | None = None) -> Iterator[Lived]:
    """Every commit of a sound log with the state after it, from the beginning.

    Args:
        backend: Holds the log.
        stop: Number of the last commit; None goes on to the end of the log.

    Raises:
        StoreCorruptError: A record is damaged or does not follow the one before it.
        StoreFormatError: A record was written by another version of Taskgrove.
    """
    state = State()
    for commit, head in log.read(backend, 0, ""):
        if stop is not None and commit.number > stop:
            return
        state = log.advance(state, commit, head)
        yield Lived(commit, state)


def names_of(state: State, blobs: frozenset[BlobId]) -> frozenset[Name]:
    """Blobs with the epochs of the names under which they are in use."""
    return frozenset((blob, state.epoch_of(blob)) for blob in blobs)


def live_names(state: State) -> frozenset[Name]:
    """What live models and the data of tasks need."""
    data = (task.data for task in state.view.tasks.values() if task.data is not None)
    return names_of(state, frozenset(data).union(*map(blobs_of, state.view.models.values())))


def key_of(name: Name) -> str:
    """The key under which a blob lies."""
    return blob_key(*name)


def condemned_by(commit: Commit) -> tuple[Name, ...]:
    """The names that a commit condemns; most condemn none."""
    return commit.operation.blobs if isinstance(commit.operation, Condemn) else ()
