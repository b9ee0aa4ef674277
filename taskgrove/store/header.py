"""The object that makes a place a store, and the probe that proves its storage fit for one."""

from __future__ import annotations

import uuid

import msgspec

from taskgrove.domain.errors import StoreFormatError, StorePathError, UnsafeBackendError
from taskgrove.store.base import AbstractBackend

HEADER = "taskgrove.json"
FORMAT = "taskgrove"
VERSION = 3
_TRIES = 8


class _Header(msgspec.Struct, frozen=True):
    format: str
    version: int
    uuid: str
    hash: str


def write_header(backend: AbstractBackend) -> None:
    """Turn an empty place into a store.

    Raises:
        StorePathError: There is something already.
    """
    there = next(iter(backend.list("")), None)
    if there is not None:
        raise StorePathError(
            f"{backend} is not empty (it holds {there.key}); choose another place, or open the store in it."
        )
    header = _Header(format=FORMAT, version=VERSION, uuid=uuid.uuid4().hex, hash="sha256")
    data = msgspec.json.encode(header)
    for _ in range(_TRIES):
        if backend.put_new(HEADER, data):
            return
        # False may be our own object after a lost reply, or nothing at all (conflict of two requests).
        found = backend.get(HEADER)
        if found is not None:
            break
    if found != data:
        raise StorePathError(f"{backend} has just become a store by another hand; open it instead.")


def check_header(backend: AbstractBackend) -> None:
    """Refuse a place without a store, or with one of another format.

    Raises:
        StorePathError: There is no store.
        StoreFormatError: Another version of Taskgrove made it, or the header is damaged.
    """
    data = backend.get(HEADER)
    if data is None:
        raise StorePathError(
            f"{backend} holds no store: there is no {HEADER}. Check the path, or create a store there first."
        )
    try:
        header = msgspec.json.decode(data, type=_Header)
    except msgspec.MsgspecError as error:
        raise StoreFormatError(f"{HEADER} of {backend} cannot be read ({error}); restore it.") from error
    if (header.format, header.version, header.hash) != (FORMAT, VERSION, "sha256"):
        raise StoreFormatError(
            f"{backend} has format {header.format!r}, version {header.version}, hash {header.hash!r}; this "
            f"Taskgrove reads {FORMAT!r}, version {VERSION}, hash 'sha256'. Use the version that made it."
        )


def probe(backend: AbstractBackend) -> None:
    """Make sure that the storage honours exclusive creation, on which every commit relies.

    Raises:
        UnsafeBackendError: A second creation of the same object succeeded, or none ever did.
    """
    for _ in range(_TRIES):
        key = f"probe-{uuid.uuid4().hex}"
        answers = (backend.put_new(key, b"1"), backend.put_new(key, b"2"))
        backend.delete([key])
        if answers == (True, False):
            return
        if answers == (True, True):
            break
        # A first False is a lost reply or a conflict: try with another key.
    raise UnsafeBackendError(
        f"{backend} does not honour exclusive creation (creating one object twice answered {answers}), so "
        "two writers could overwrite each other. Use a local disk or another storage service."
    )
