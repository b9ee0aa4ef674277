"""The file of the index: transactions and snapshots; thrown away when it is damaged."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from taskgrove.store.index.schema import SCHEMA, STATEMENTS

_WAIT_S = 60.0
_CACHE_KIB = 32_000
_WAL_PAGES = 8_000
"""Hashes fall all over their table, so that a small cache and short logs write the same pages many times."""
_DAMAGED = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT}
)
"""A table that is not there is an `SQLITE_ERROR`; rows that contradict the next commit break a constraint."""

Row = tuple[Any, ...]
"""What SQLite gives back has no types that could be declared."""


class Damaged(Exception):
    """The file is no index, or its pages contradict each other."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an index has come: its store, its newest commit, the sha256 of that commit's record."""

    uuid: str
    number: int = -1
    head: str = ""


@final
class Database:
    """A connection to the tables.

    Args:
        path: Its folder is made. None, or a place that cannot be written, keeps the tables in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection = self._opened()

    def close(self) -> None:
        """Give up the file."""
        self._connection.close()

    def discard(self) -> None:
        """Throw the file away and begin with an empty one; others who have it open keep what they see."""
        self.close()
        self._remove()
        self._connection = self._opened()

    def forsake(self, why: Exception) -> None:
        """Leave the file, which cannot be written, and begin with empty tables in memory."""
        self.close()
        self._connection = self._in_memory(why)

    def progress(self) -> Progress | None:
        """How far the tables go; None when there are none of this version. Raises Damaged."""
        if self.rows("PRAGMA user_version") != [(SCHEMA,)]:
            return None
        found = self.rows("SELECT uuid, number, head FROM progress")
        if len(found) != 1:
            raise Damaged(f"{len(found)} rows say how far it has come")
        uuid, number, head = found[0]
        return Progress(str(uuid), int(number or 0), str(head))

    def rows(self, sql: str, **values: object) -> list[Row]:
        """The answer to a query with named values. Raises Damaged."""
        with _noticed():
            return self._connection.execute(sql, values).fetchall()

    def hold(self) -> None:
        """From now on see the tables as they are, whatever other processes write, until `release`."""
        with _noticed():
            self._connection.execute("BEGIN")
            self._connection.execute("PRAGMA user_version")  # what is read first decides what is seen

    def release(self) -> None:
        """Give up the snapshot, if there is one."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection in a transaction: all of it or nothing will be seen. Raises Damaged."""
        with _noticed():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def _opened(self) -> sqlite3.Connection:
        if self._path is None:
            return _connected(":memory:")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _noticed():
                return _connected(str(self._path))
        except Damaged:
            self._remove()
            return _connected(str(self._path))
        except (OSError, sqlite3.OperationalError) as error:
            return self._in_memory(error)

    def _in_memory(self, why: Exception) -> sqlite3.Connection:
        text = (
            f"The index of the log cannot be kept in {self._path}: {why}. It is built in memory every time."
        )
        warnings.warn(text, RuntimeWarning, stacklevel=2)
        self._path = None
        return _connected(":memory:")

    def _remove(self) -> None:
        if self._path is not None:
            for end in ("", "-wal", "-shm"):
                with suppress(OSError):
                    self._path.with_name(self._path.name + end).unlink()


def begin_anew(connection: sqlite3.Connection, uuid: str) -> None:
    """Empty tables for a store, inside a transaction."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (name,) in tables:
        connection.execute(f'DROP TABLE "{name}"')
    for statement in STATEMENTS:
        connection.execute(statement)
    connection.execute("INSERT INTO progress VALUES (?, -1, '')", (uuid,))
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _connected(place: str) -> sqlite3.Connection:
    connection = sqlite3.connect(place, timeout=_WAIT_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _noticed() -> Iterator[None]:
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.DatabaseError as error:
        # Text that is no text is found by Python, which gives its error no code.
        code: int = vars(error).get("sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF in _DAMAGED:
            raise Damaged(str(error)) from error
        raise
