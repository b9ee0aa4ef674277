"""Blobs kept on this machine's own disk, shared by its processes, for stores that are far away.

One file per blob, written under another name and renamed when it is complete. A name is the hash of the
bytes, so an entry can be wrong but never stale; it is verified once per process.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import final

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import BlobId

_PARTIAL = ".part-"
_ABANDONED_S = 24 * 3600.0
"""A partial file that old was left by a process that died."""
_FULL = 0.9
"""Making room stops at this share of the limit, so that not every new blob has to make room again."""


@final
class MachineCache:
    """Blobs by their hash in a folder; every failure to keep one is only a blob not kept.

    Args:
        folder: Made when it is missing.
        limit_bytes: Of all blobs together; the least recently used go. 0 keeps nothing.

    Raises:
        BadValueError: The limit is negative.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        if limit_bytes < 0:
            raise BadValueError(f"A cache of {limit_bytes} bytes cannot be; use 0 to keep nothing.")
        self._folder = folder
        self._limit = limit_bytes
        self._verified: set[BlobId] = set()
        self._held: float = math.inf
        """Bytes in the folder as far as this process knows; infinite until it has looked."""

    def path(self, blob: BlobId) -> Path | None:
        """The file that holds exactly the blob's bytes, to be read or mapped; None when there is none.

        Another process may remove it at any time; what is open or mapped by then stays readable.
        """
        path = self._path(blob)
        if blob not in self._verified:
            with suppress(OSError), path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == blob:
                    self._verified.add(blob)
                else:
                    _remove(path)
        try:
            os.utime(path)
        except OSError:
            self._verified.discard(blob)
        return path if blob in self._verified else None

    def get(self, blob: BlobId) -> bytes | None:
        """The blob's bytes, or None."""
        path = self.path(blob)
        with suppress(OSError):
            return None if path is None else path.read_bytes()
        return None

    def keep(self, blob: BlobId, data: bytes) -> None:
        """Keep the bytes of a blob, which have been verified."""
        if len(data) > self._limit * _FULL:
            return
        path = self._path(blob)
        partial = path.with_name(f"{_PARTIAL}{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(data)
            os.rename(partial, path)
        except OSError:
            _remove(partial)
            return
        self._verified.add(blob)
        self._held += len(data)
        if self._held > self._limit:
            self._make_room()

    def _path(self, blob: BlobId) -> Path:
        return self._folder / blob[:2] / blob

    def _make_room(self) -> None:
        """Look at what all processes have put there, and remove the least recently used."""
        entries = sorted(self._entries())
        self._held = sum(size for _, size, _ in entries)
        if self._held <= self._limit:
            return
        for _, size, path in entries:
            if self._held <= self._limit * _FULL:
                break
            _remove(path)
            self._held -= size

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._folder.glob("*/*"):
            with suppress(OSError):
                stat = path.stat()
                if not path.name.startswith(_PARTIAL):
                    yield stat.st_mtime, stat.st_size, path
                elif time.time() - stat.st_mtime > _ABANDONED_S:
                    _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
