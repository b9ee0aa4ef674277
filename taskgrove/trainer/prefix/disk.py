"""Activations in a folder that the processes of this machine have in common.

A folder per prefix, in it files that are written under another name and renamed when they are complete.
Whatever goes wrong with a file, it is only one that is not there.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import final

from taskgrove.domain.errors import BadValueError

_SUFFIX, _PARTIAL = ".piece", ".part"
_ABANDONED_S = 24 * 3600.0
"""A partial file that old was left by a process that died."""
_FULL = 0.9
"""Making room stops at this share of the limit."""
_UNSEEN = 1 / 32
"""Share of the limit that a process writes before it looks again at what all have written."""
_PIECE_BYTES = 32 << 20
_TOUCH_S = 60.0
"""A file that was used more recently need not be told so again."""


@final
class Disk:
    """Files by key (64 hex digits); several processes may use one folder.

    Args:
        folder: Made when it is missing.
        limit_bytes: Of all files together; the least recently used go. A process looks at the whole each
            time it has written another 1/32 of the limit, so that by much is it exceeded at most per
            process.

    Raises:
        BadValueError: The limit is not positive.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        if limit_bytes <= 0:
            raise BadValueError(f"{limit_bytes} bytes on disk hold nothing; leave the disk out instead.")
        self._folder = folder
        self._limit = limit_bytes
        self.piece_bytes = min(_PIECE_BYTES, int(limit_bytes * _UNSEEN))
        """How large a file should be at most."""
        self._unseen = math.inf
        """Bytes written since this process has looked; infinite before the first look."""
        self.sound: set[Path] = set()
        """Files that this process has found undamaged."""
        self.proven: set[str] = set()
        """Keys of which this process has computed some activations again, to the same bits."""

    def pieces(self, key: str) -> set[Path]:
        """The complete files of a key; another process may remove them at any time."""
        with suppress(OSError):
            names = os.listdir(self._folder / key)
            return {self._folder / key / name for name in names if name.endswith(_SUFFIX)}
        return set()

    def keep(self, key: str, data: bytes) -> None:
        """Keep a file of a key if there is room on the disk and in the limit."""
        if len(data) > self._limit * (1 - _FULL):
            return
        path = self._folder / key / f"{uuid.uuid4().hex}{_SUFFIX}"
        partial = path.with_suffix(_PARTIAL)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(data)
            os.rename(partial, path)
        except OSError:
            _remove(partial)
            return
        self.sound.add(path)
        self._unseen += len(data)
        if self._unseen > self._limit * _UNSEEN:
            self._make_room()

    def use(self, path: Path) -> None:
        """Note that a file was useful."""
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _TOUCH_S:
                os.utime(path)

    def remove(self, path: Path) -> None:
        """Forget a file."""
        self.sound.discard(path)
        _remove(path)

    def _make_room(self) -> None:
        entries = sorted(self._entries())
        self._unseen = 0.0
        held = sum(size for _, size, _ in entries)
        if held <= self._limit * (1 - _UNSEEN):
            return
        for _, size, path in entries:
            if held <= self._limit * _FULL:
                break
            self.remove(path)
            held -= size
            with suppress(OSError):  # others of the key are still there
                path.parent.rmdir()

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        for path in self._folder.glob("*/*"):
            with suppress(OSError):
                stat = path.stat()
                if path.suffix == _SUFFIX:
                    yield stat.st_mtime, stat.st_size, path
                elif time.time() - stat.st_mtime > _ABANDONED_S:
                    _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
