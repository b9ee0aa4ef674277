"""Where things lie in a store: the keys of records and blobs, and what a key may look like."""

from __future__ import annotations

import hashlib
import re

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import BlobId

LOG = "log/main/"
BLOBS = "blobs/"
PER_FOLDER = 1000
"""Records of a folder, or of a file where many lie in one."""
_PART = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}"
_KEY = re.compile(rf"{_PART}(/{_PART})*")
_PREFIX = re.compile(rf"({_PART}/)*({_PART})?")
_RECORD = re.compile(rf"{LOG}[0-9]{{6,}}/([0-9]{{9,}})\.json")
_BLOB = re.compile(rf"{BLOBS}[0-9a-f]{{2}}/([0-9a-f]{{64}})\.([0-9]{{1,9}})\.safetensors")


def check_key(key: str) -> None:
    """Refuse a key that no backend may be given.

    Raises:
        BadValueError: The key is not a relative `/`-separated path of ASCII letters, digits and
            `_.-`, or one of its parts starts with a dot.
    """
    if not _KEY.fullmatch(key):
        raise BadValueError(
            f"{key!r} is not a valid key: use parts of ASCII letters, digits and `_.-` separated by `/`, "
            "none of which starts with a dot."
        )


def check_prefix(prefix: str) -> None:
    """Refuse a prefix that no key can have; the empty one is every key's. Raises BadValueError."""
    if not _PREFIX.fullmatch(prefix):
        raise BadValueError(f"{prefix!r} is not the start of a valid key, so nothing can be listed under it.")


def record_key(number: int) -> str:
    """The key of commit `number`, in a folder per thousand."""
    return f"{folder_of(number)}{number:09d}.json"


def folder_of(number: int) -> str:
    """The start of the keys of commit `number` and of the others of its thousand."""
    return f"{LOG}{number // PER_FOLDER:06d}/"


def record_number(key: str) -> int | None:
    """The number of the commit that lies under `key`, or None when `key` is no record's."""
    match = _RECORD.fullmatch(key)
    return int(match[1]) if match else None


def blob_id(data: bytes) -> BlobId:
    """What the bytes are called: their sha256 in hex."""
    return BlobId(hashlib.sha256(data).hexdigest())


def blob_key(blob: BlobId, epoch: int = 0) -> str:
    """The key of a blob that was put in an epoch of garbage collection; see ADR 0013."""
    return f"{blob_prefix(blob)}{epoch}.safetensors"


def blob_prefix(blob: BlobId) -> str:
    """What the keys of a blob start with, in whatever epoch it was put."""
    return f"{BLOBS}{blob[:2]}/{blob}."


def blob_of(key: str) -> tuple[BlobId, int] | None:
    """The blob that lies under `key` and its epoch, or None when `key` is no blob's."""
    match = _BLOB.fullmatch(key)
    return (BlobId(match[1]), int(match[2])) if match else None
