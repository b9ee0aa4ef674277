"""Stores by the text that names their place; loads no torch, so that looking at a system is quick."""

from __future__ import annotations

from pathlib import Path

from taskgrove.domain.errors import StorePathError
from taskgrove.store.base import AbstractBackend
from taskgrove.store.fork import open_place
from taskgrove.store.index.index import Index
from taskgrove.store.machine_cache import MachineCache
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import CheckReport, check
from taskgrove.store.upkeep.together import Told, silent
from taskgrove.tasks.cache import machine_folder, machine_limit


def rooted_store(backend: AbstractBackend, *, writable: bool) -> Store:
    """The store on a backend, refreshed; it holds a system.

    Raises:
        StorePathError: There is no store, or its creation was interrupted.
        StoreFormatError: It was written by another version of the format.
        StoreCorruptError: Its log is damaged.
    """
    store = Store.open(backend, writable=writable, cache=blob_cache(backend))
    if not store.refresh().roots:
        raise StorePathError(
            "The store has no root model: its creation was interrupted. Run `taskgrove init` again."
        )
    return store


def open_store(path: str | Path, *, writable: bool = False) -> Store:
    """The store in a folder, by default only to be read; raises what `rooted_store` raises."""
    return rooted_store(open_place(str(path)), writable=writable)


def open_index(store: Store) -> Index:
    """The index of a store's log, kept in this machine's cache and brought up to date.

    Args:
        store: At the head of its log. Close the index when done.
    """
    return Index(store, machine_folder() / "index")


def blob_cache(backend: AbstractBackend) -> MachineCache | None:
    """This machine's own copies of blobs, for storage that lies behind a network; None for others."""
    far = backend.reads_at_once > 1
    return MachineCache(machine_folder() / "blobs", machine_limit()) if far else None


def check_store(path: str | Path, *, deep: bool = True, told: Told = silent) -> CheckReport:
    """Verify all that is stored in a folder, however damaged; see `taskgrove.store.upkeep.check`.

    Raises:
        StorePathError: There is no store.
    """
    return check(open_place(str(path)), deep, told)
