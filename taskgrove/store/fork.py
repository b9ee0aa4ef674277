"""Opening a place by the text that names it; a fork finds its parent."""

from __future__ import annotations

import hashlib

from taskgrove.domain.errors import StoreCorruptError, StoreError, StorePathError, UserError
from taskgrove.store.backends import open_backend
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.forked import ForkedBackend
from taskgrove.store.header import HEADER, Parent, read_header
from taskgrove.store.keys import record_key


def open_place(text: str) -> AbstractBackend:
    """The storage that a text names, with that of its parent behind it where a fork lies.

    A place without a readable header is given as it is: who opens a store there will be told.

    Args:
        text: See `taskgrove.store.backends.open_backend`.

    Raises:
        UserError: The text names no storage.
        StorePathError: The parent of the fork is not where it was.
        StoreCorruptError: The parent's log is not the one that was forked.
    """
    own = open_backend(text)
    parent = parent_of(own)
    if parent is None or parent.location is None:
        return own
    return ForkedBackend(own, _open_parent(own, parent, parent.location), parent.number)


def lasting(text: str) -> str:
    """The text that names the same place from any working directory."""
    backend = open_backend(text)
    return str(backend.root.resolve()) if isinstance(backend, LocalBackend) else text


def parent_of(own: AbstractBackend) -> Parent | None:
    """What the header of a place says of a parent; None when it says nothing or cannot be read."""
    try:
        return read_header(own).parent
    except (StoreError, StorePathError):
        return None


def _open_parent(own: AbstractBackend, parent: Parent, location: str) -> AbstractBackend:
    # The uuid is looked at before the parent's own parent is: a fork that was moved to where its parent
    # had been would look for itself for ever.
    try:
        found = read_header(open_backend(location)).uuid
    except (StoreError, UserError) as error:
        raise StorePathError(
            f"{own} is a fork of the store in {location}, which cannot be opened ({error}). {_REPAIR}"
        ) from error
    if found != parent.uuid:
        raise StorePathError(
            f"{own} is a fork of system {parent.uuid[:12]} in {location}, but there lies {found[:12]}. "
            f"{_REPAIR}"
        )
    opened = open_place(location)
    record = opened.get(record_key(parent.number)) or b""
    if hashlib.sha256(record).hexdigest() != parent.head:
        raise StoreCorruptError(
            f"{own} was forked at commit {parent.number} of {location}, whose record must have the sha256 "
            f"{parent.head[:12]}…; what is there now "
            + (f"has {hashlib.sha256(record).hexdigest()[:12]}…" if record else "is nothing")
            + ". The parent is damaged or has been replaced: run `taskgrove check` on it, or restore it."
        )
    return opened


_REPAIR = (
    "Put the parent back where it was, or write its new place into `location` in the fork's "
    f"{HEADER}; nothing of the fork is lost."
)
