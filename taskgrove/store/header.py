"""The object that makes a place a store, and the probe that proves its storage fit for one."""

from __future__ import annotations

import hashlib
import uuid

import msgspec
from msgspec import structs

from taskgrove.domain.errors import StoreFormatError, StorePathError, UnsafeBackendError
from taskgrove.store.base import AbstractBackend
from taskgrove.store.unfinished import read_unfinished

HEADER = "taskgrove.json"
PROBE = "probe-"
FORMAT = "taskgrove"
VERSION = 4
_UNSEALED = 3
_READABLE = (_UNSEALED, VERSION)
_TRIES = 8


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """What a fork goes on from.

    Attributes:
        location: The text that opens the parent; None in a copy that holds everything itself.
        uuid: Of the parent.
        number, head: Of the last commit that they share: its number, and the sha256 of its record.
    """

    location: str | None
    uuid: str
    number: int
    head: str


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What makes a place a store.

    Attributes:
        format, version, hash: Which kind of store, and how objects are named.
        uuid: Of the system; its mirrors have the same one, its forks their own.
        parent: Of a fork.
        checksum: sha256 of the other fields, `location` left out, since a parent may be moved; "" in headers
            of version 3, which had none.
    """

    format: str
    version: int
    uuid: str
    hash: str
    parent: Parent | None = None
    checksum: str = ""


def new_header(parent: Parent | None = None) -> Header:
    """The header of a system that begins now."""
    header = Header(format=FORMAT, version=VERSION, uuid=uuid.uuid4().hex, hash="sha256", parent=parent)
    return structs.replace(header, checksum=_checksum(header))


def independent(header: Header) -> Header:
    """The header of a copy that holds everything itself."""
    parent = None if header.parent is None else structs.replace(header.parent, location=None)
    return structs.replace(header, parent=parent)


def _checksum(header: Header) -> str:
    plain = structs.replace(independent(header), checksum="")
    return hashlib.sha256(msgspec.json.encode(plain)).hexdigest()


def write_header(backend: AbstractBackend, parent: Parent | None = None) -> None:
    """Turn an empty place into a store, or into a fork of `parent`.

    Raises:
        StorePathError: There is something already.
    """
    there = next(iter(backend.list("")), None)
    if there is not None:
        raise StorePathError(
            f"{backend} is not empty (it holds {there.key}); choose another place, or open the store in it."
        )
    put_header(backend, new_header(parent))


def put_header(backend: AbstractBackend, header: Header) -> None:
    """Write a header where there is none, or the same one.

    Raises:
        StorePathError: Another has just been written.
    """
    data = msgspec.json.encode(header)
    found = None
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
    """Refuse a place without a store, or with one of another format; raises what `read_header` raises."""
    read_header(backend)


def read_header(backend: AbstractBackend) -> Header:
    """What is written on a store.

    Raises:
        StorePathError: There is no store.
        StoreFormatError: Another version of Taskgrove made it, or the header is damaged.
    """
    data = backend.get(HEADER)
    if data is None:
        raise StorePathError(_no_store(backend))
    try:
        header = msgspec.json.decode(data, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreFormatError(f"{HEADER} of {backend} cannot be read ({error}); restore it.") from error
    if (header.format, header.hash) != (FORMAT, "sha256") or header.version not in _READABLE:
        raise StoreFormatError(
            f"{HEADER} of {backend} says format {header.format!r}, version {header.version}, hash "
            f"{header.hash!r}; this Taskgrove reads {FORMAT!r}, version {_READABLE[0]} to {VERSION}, hash "
            "'sha256'. Use the version that made it."
        )
    if header.version > _UNSEALED and header.checksum != _checksum(header):
        raise StoreFormatError(
            f"{HEADER} of {backend} does not match its own checksum, so it has been changed; restore it from "
            "a backup or a mirror (`taskgrove check --heal-from`)."
        )
    return header


def header_damaged(backend: AbstractBackend) -> bool:
    """Whether the header is missing, unreadable or altered; one of another version is none of these."""
    try:
        header = msgspec.json.decode(backend.get(HEADER) or b"", type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return True
    return header.version == VERSION and header.checksum != _checksum(header)


def _no_store(backend: AbstractBackend) -> str:
    if read_unfinished(backend) is not None:
        return (
            f"{backend} holds the beginning of a mirror, which was interrupted; give the same "
            "`taskgrove mirror` again, and it goes on from there."
        )
    return f"{backend} holds no store: there is no {HEADER}. Check the path, or create a store there first."


def probe(backend: AbstractBackend) -> None:
    """Make sure that the storage honours exclusive creation, on which every commit relies.

    Raises:
        UnsafeBackendError: A second creation of the same object succeeded, or none ever did.
    """
    for _ in range(_TRIES):
        key = f"{PROBE}{uuid.uuid4().hex}"
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
