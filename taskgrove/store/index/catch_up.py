"""Brings the tables of the index up to the head of a log, or builds them anew when they are another log's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from taskgrove.domain.errors import StoreCorruptError
from taskgrove.domain.records import Commit
from taskgrove.store.index.database import Database, Progress, begin_anew
from taskgrove.store.index.writer import Writer
from taskgrove.store.store import Store


def catch_up(database: Database, store: Store, uuid: str, at_once: int) -> None:
    """Add what the log says beyond the tables; other processes may do the same at the same time.

    Args:
        database: Holds the tables.
        store: Whose log it is; it is refreshed.
        uuid: Of the store.
        at_once: Commits per transaction.

    Raises:
        Damaged: The file of the tables is.
        StoreCorruptError: The log is.
    """
    while _gone_on(database, store, uuid, at_once):
        pass


def _gone_on(database: Database, store: Store, uuid: str, at_once: int) -> bool:
    """Make one transaction; False when there was nothing left to do."""
    before = database.progress()
    # Logs only grow, so a log that is read after the tables and is shorter is another one.
    newest = store.refresh().number
    after = Progress(uuid, newest, store.state.head)
    if before == after:
        return False
    if before is None or before.uuid != uuid or before.number >= newest:
        _begin_anew(database, before, uuid)
        return True
    commits = [*islice(store.history(before.number + 1, newest + 1), at_once + 1)]
    if not commits:
        raise StoreCorruptError(
            f"Commit {before.number + 1} has vanished from {store.backend}; run `taskgrove check`."
        )
    if commits[0].previous != before.head:
        _begin_anew(database, before, uuid)
        return True
    if len(commits) > at_once:
        rest = commits.pop()
        after = Progress(uuid, rest.number - 1, rest.previous)
    _write(database, before, commits, after)
    return True


def _begin_anew(database: Database, before: Progress | None, uuid: str) -> None:
    with database.writing() as connection:
        if database.progress() == before:
            begin_anew(connection, uuid)


def _write(database: Database, before: Progress, commits: Sequence[Commit], after: Progress) -> None:
    with database.writing() as connection:
        if database.progress() != before:
            return  # another process was faster
        writer = Writer(connection)
        for commit in commits:
            writer.write(commit)
        writer.finish()
        connection.execute("UPDATE progress SET number = ?, head = ?", (after.number, after.head))
