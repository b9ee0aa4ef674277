"""Stores by the text that names their place; loads no torch, so that looking at a system is quick."""

from __future__ import annotations

from pathlib import Path

from taskgrove.domain.errors import StorePathError
from taskgrove.store.backends import open_backend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.check import CheckReport, check
from taskgrove.store.store import Store


def rooted_store(backend: AbstractBackend, *, writable: bool) -> Store:
    """The store on a backend, refreshed; it holds a system.

    Raises:
        StorePathError: There is no store, or its creation was interrupted.
        StoreFormatError: It was written by another version of the format.
        StoreCorruptError: Its log is damaged.
    """
    store = Store.open(backend, writable=writable)
    if not store.refresh().roots:
        raise StorePathError(
            "The store has no root model: its creation was interrupted. Run `taskgrove init` again."
        )
    return store


def open_store(path: str | Path) -> Store:
    """The store in a folder, only to be read; raises what `rooted_store` raises."""
    return rooted_store(open_backend(str(path)), writable=False)


def check_store(path: str | Path, *, deep: bool = True) -> CheckReport:
    """Verify all that is stored in a folder, however damaged; see `taskgrove.store.check`.

    Raises:
        StorePathError: There is no store.
    """
    return check(open_backend(str(path)), deep=deep)
