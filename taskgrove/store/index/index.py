"""Questions about the whole history of a store, answered without reading it again."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Self, final
from uuid import UUID

from taskgrove.domain.errors import StoreFormatError, UnknownNameError
from taskgrove.domain.ids import BlobId, ComponentId, ModelId, TaskName
from taskgrove.store.header import read_header
from taskgrove.store.index import queries, rows
from taskgrove.store.index.answers import (
    Best,
    Contributor,
    Identity,
    Iteration,
    Relative,
    Remark,
    TagName,
    Use,
)
from taskgrove.store.index.catch_up import catch_up
from taskgrove.store.index.database import Damaged, Database, Row
from taskgrove.store.store import Store

AT_ONCE = 1000
"""Commits per transaction: what a kill can cost, and what is held in memory."""
_MOST_FOUND = 20


@final
class Index:
    """A cache of one store's log in a file of this machine; the log remains the truth.

    Every question is answered as of a commit: `at`, or by default the newest one of the last update.
    Close it when done, or use it in a `with` statement. Not to be shared by threads; any number of
    processes may use the same file.

    Args:
        store: At the head of its log.
        folder: Where indexes are kept, one file per store; never a folder that machines share. None keeps
            the index in memory.
        at_once: Commits per transaction.

    Raises:
        StoreCorruptError: The log is damaged.
    """

    def __init__(self, store: Store, folder: Path | None, *, at_once: int = AT_ONCE) -> None:
        self._store = store
        self._at_once = at_once
        self._uuid = _uuid(store)
        self._database = Database(None if folder is None else folder / f"{self._uuid}.sqlite")
        self.number = -1
        self.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the file."""
        self._database.close()

    def update(self) -> None:
        """Read what has been committed since; answers change at no other time."""
        self._database.release()
        try:
            self._caught_up()
        except Damaged:
            self._database.discard()
            self._caught_up()
        except sqlite3.OperationalError as error:
            self._database.forsake(error)
            self._caught_up()

    def bests(self, at: int | None = None) -> tuple[Best, ...]:
        """The published model of each task that has one, by name."""
        return tuple(map(rows.best, self._ask(queries.BESTS, at)))

    def users(self, component: ComponentId, at: int | None = None) -> tuple[Use, ...]:
        """Every model that has ever held the component, in order of arrival."""
        return tuple(map(rows.use, self._ask(queries.USERS, at, component=bytes.fromhex(component))))

    def contributor(self, component: ComponentId, at: int | None = None) -> Contributor:
        """Who brought the component into the system.

        Raises:
            UnknownNameError: No model up to that commit has held it.
        """
        found = self._ask(queries.CONTRIBUTOR, at, component=bytes.fromhex(component))
        if not found:
            raise UnknownNameError(f"No model has held a component {component} {self._until(at)}.")
        return rows.contributor(found[0])

    def ancestry(self, model: ModelId) -> tuple[Relative, ...]:
        """The model's ancestors, retired ones too, nearest first."""
        return tuple(map(rows.relative, self._ask(queries.ANCESTRY, None, model=bytes.fromhex(model))))

    def descendants(self, model: ModelId, at: int | None = None) -> tuple[Relative, ...]:
        """The models that descend from it, retired ones too, nearest first."""
        return tuple(map(rows.relative, self._ask(queries.DESCENDANTS, at, model=bytes.fromhex(model))))

    def iterations(self, task: TaskName, at: int | None = None) -> tuple[Iteration, ...]:
        """The history of a task: its iterations that ended, and what was published within them."""
        return tuple(map(rows.iteration, self._ask(queries.ITERATIONS, at, task=task)))

    def notes(self, task: TaskName | None = None, at: int | None = None) -> tuple[Remark, ...]:
        """The notes about a task, or all of them."""
        return tuple(map(rows.remark, self._ask(queries.NOTES, at, task=task)))

    def tags(self, at: int | None = None) -> tuple[TagName, ...]:
        """The tags in the order in which they were given."""
        return tuple(map(rows.tag_name, self._ask(queries.TAGS, at)))

    def introduced(self, identity: ModelId | BlobId | ComponentId, at: int | None = None) -> int:
        """Number of the commit that brought a model, a component or another blob.

        Raises:
            UnknownNameError: None up to that commit has.
        """
        found = self.find(identity, at)
        if not found:
            raise UnknownNameError(f"No model and no blob has the id {identity} {self._until(at)}.")
        return found[0].introduced

    def find(self, prefix: str, at: int | None = None) -> tuple[Identity, ...]:
        """Models, components and other blobs whose id begins so; at most 20 models and 20 blobs.

        Args:
            prefix: Lower-case hexadecimal digits.
            at: Only those that have come until then.
        """
        low, high = _range(prefix)
        found = map(rows.identity, self._ask(queries.BETWEEN, at, low=low, high=high, most=_MOST_FOUND))
        return tuple(identity for identity in found if identity.id.startswith(prefix))

    def near(self, prefix: str, at: int | None = None) -> tuple[Identity, ...]:
        """The models and blobs whose ids come before and after a prefix that none begins with."""
        low, high = _range(prefix)
        before = self._ask(queries.BEFORE, at, low=low, most=1)
        return tuple(map(rows.identity, [*before, *self._ask(queries.AFTER, at, high=high, most=1)]))

    def _caught_up(self) -> None:
        while True:
            catch_up(self._database, self._store, self._uuid, self._at_once)
            self._database.hold()
            progress = self._database.progress()
            # Between the two, a process with a copy of the store that diverged may have begun anew.
            if progress is not None and progress.number >= self._store.state.view.number:
                self.number = progress.number
                return
            self._database.release()

    def _ask(self, sql: str, at: int | None, **values: object) -> list[Row]:
        moment = self.number if at is None else at
        try:
            return self._database.rows(sql, at=moment, **values)
        except Damaged:
            self._database.discard()
        except sqlite3.OperationalError as error:
            self._database.forsake(error)
        self.update()
        return self._database.rows(sql, at=moment, **values)

    def _until(self, at: int | None) -> str:
        return f"up to commit {self.number if at is None else at}"


def _range(prefix: str) -> tuple[bytes, bytes]:
    """The first and the last eight bytes with which an id of this prefix can begin."""
    digits = prefix[:16]
    return bytes.fromhex(digits.ljust(16, "0")), bytes.fromhex(digits.ljust(16, "f"))


def _uuid(store: Store) -> str:
    """The unique id of the store, fit for the name of a file."""
    found = read_header(store.backend).uuid
    try:
        return UUID(found).hex
    except ValueError as error:
        raise StoreFormatError(
            f"{found!r} in the header of {store.backend} is no uuid; restore it."
        ) from error
