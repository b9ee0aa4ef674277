"""What was read or decoded once, kept in a folder of this machine for the next time.

One file per entry, written under another name and renamed when it is complete: whoever reads, in
whatever process and after whatever crash, finds whole entries or none.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.errors import BadValueError
from taskgrove.tasks.cache_entry import (
    HEADER_BYTES,
    PARTIAL,
    Blocks,
    Shape,
    header,
    in_memory,
    open_entry,
    read_header,
    write_whole,
)
from taskgrove.tasks.mapped import MappedImages
from taskgrove.tasks.stamps import key_of

FOLDER_VARIABLE, SIZE_VARIABLE = "TASKGROVE_CACHE", "TASKGROVE_CACHE_GB"
MAX_NOTES = 4096
_DEFAULT_GB = "20"
_IMAGES, _USED, _NOTE = ".images", ".used", ".note"
_ABANDONED_S = 24 * 3600.0
"""A partial file that nobody has written to for so long was left by a process that died."""


@final
class ImageCache:
    """Images and short notes by key (64 hex digits).

    Args:
        folder: Made when it is missing.
        limit_bytes: Of all images together; the least recently used entries go. 0 keeps nothing.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = limit_bytes

    @classmethod
    def of_machine(cls) -> ImageCache:
        """The cache that the environment names, or the usual one.

        Raises:
            BadValueError: The size in the environment is not a number.
        """
        return cls(machine_folder(), machine_limit())

    def find(self, key: str) -> NDArray[np.uint8] | MappedImages | None:
        """The images of a key, if there are any; a damaged entry is removed."""
        path = self._path(key, _IMAGES)
        try:
            images = open_entry(path, read_header(path, key))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            _remove(path)
            return None
        with suppress(OSError):
            self._path(key, _USED).touch()
        return images

    def keep(self, key: str, shape: Shape, blocks: Blocks) -> NDArray[np.uint8] | MappedImages:
        """Make the images of a key, which was not found, and keep them.

        Where they cannot be kept, a warning says so once, and they are made in memory.

        Args:
            key: Of content and form.
            shape: (N, H, W, C).
            blocks: Makes them.
        """
        size = HEADER_BYTES + math.prod(shape)
        if size > self._limit:
            self._warn(f"{size / 1e9:.1f} GB are more than its {self._limit / 1e9:.1f}; see {SIZE_VARIABLE}")
            return in_memory(shape, blocks)
        path = self._path(key, _IMAGES)
        try:
            write_whole(path, header(key, shape), blocks)
            self._make_room(path)
            return open_entry(path, shape)
        except OSError as error:
            self._warn(f"it cannot be written to ({error}); see {FOLDER_VARIABLE}")
            return in_memory(shape, blocks)

    def recall(self, key: str) -> str | None:
        """The text that was noted under the key."""
        path = self._path(key, _NOTE)
        try:
            text, checksum = path.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError):
            return None
        return text if checksum == key_of(key, text) else None

    def note(self, key: str, text: str) -> None:
        """Keep a line of text; where nothing can be written, nothing is kept."""
        if not self._limit:
            return
        with suppress(OSError):
            write_whole(self._path(key, _NOTE), f"{text}\n{key_of(key, text)}".encode(), lambda: iter(()))
            for path in _oldest_first(self._folder.glob(f"*{_NOTE}"))[:-MAX_NOTES]:
                _remove(path)

    def _path(self, key: str, kind: str) -> Path:
        return self._folder / f"{key}{kind}"

    def _make_room(self, newest: Path) -> None:
        for path in self._folder.glob(f"*{PARTIAL}"):
            if time.time() - _last_use(path) > _ABANDONED_S:
                _remove(path)
        entries = _oldest_first(self._folder.glob(f"*{_IMAGES}"))
        sizes = [_size(path) for path in entries]
        excess = sum(sizes) - self._limit
        for path, size in zip(entries, sizes, strict=True):
            if excess > 0 and path != newest:
                _remove(path)
                _remove(path.with_suffix(_USED))
                excess -= size

    def _warn(self, why: str) -> None:
        text = f"Decoded images are not kept in {self._folder}: {why}. Every run will decode them again."
        warnings.warn(text, RuntimeWarning, stacklevel=3)


def machine_folder() -> Path:
    """Where this machine keeps what can be made or fetched again."""
    usual = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "taskgrove")
    return Path(os.environ.get(FOLDER_VARIABLE) or usual)


def machine_limit(variable: str = SIZE_VARIABLE, usual_gb: str = _DEFAULT_GB) -> int:
    """How many bytes a cache of this machine may hold.

    Args:
        variable: Of the environment, with a size in gigabytes.
        usual_gb: What holds where it is not set.

    Raises:
        BadValueError: It is no size.
    """
    gigabytes = os.environ.get(variable) or usual_gb
    try:
        size = float(gigabytes)
    except ValueError:
        size = -1.0
    if not 0 <= size < math.inf:
        raise BadValueError(f"{variable} must be a size in gigabytes, such as 20, got {gigabytes!r}.")
    return int(size * 1e9)


def _oldest_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=_last_use)


def _last_use(path: Path) -> float:
    """Seconds since the epoch; other processes may remove files at any time."""
    times = [0.0]
    for file in (path, path.with_suffix(_USED)):
        with suppress(OSError):
            times.append(file.stat().st_mtime)
    return max(times)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
