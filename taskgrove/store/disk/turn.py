"""A writer's turn: the lock that keeps others waiting, and the files that must be synced when it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from taskgrove.domain.errors import EnvironmentFailure
from taskgrove.store.disk.durable import Explained, sync_appended, write

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT
_PATIENCE_S = 60.0
"""A turn takes less than a millisecond; whoever keeps the lock so long was stopped."""
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 5e-5, 2e-3


class Turn:
    """Begins when the lock is free; the kernel ends it when the process is killed.

    Args:
        lock: A file that is never replaced.

    Raises:
        EnvironmentFailure: Another process keeps the lock for very long.
    """

    def __init__(self, lock: str) -> None:
        self._files: dict[str, int] = {}
        self._appended: dict[str, int] = {}
        self._lock = os.open(lock, os.O_RDWR)
        try:
            _take(self._lock, lock)
        except BaseException:
            os.close(self._lock)
            raise

    def opened(self, path: str, settle: Callable[[], None]) -> int:
        """The file to append to; made if need be.

        Args:
            path: Of the file.
            settle: Called when it is opened first, before anything is written.
        """
        if path not in self._files:
            self._files[path] = os.open(path, _FLAGS, 0o666)
            settle()
        return self._files[path]

    def append(self, path: str, data: bytes, end: int) -> None:
        """Write at the end of an opened file, or leave it as it was.

        Args:
            path: Of the file.
            data: To write.
            end: Where the file ends (bytes).
        """
        file = self._appended[path] = self._files[path]
        try:
            write(file, data)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(file, end)
            raise

    def forget(self, path: str) -> None:
        """Close a file that was replaced."""
        self._appended.pop(path, None)
        file = self._files.pop(path, None)
        if file is not None:
            os.close(file)

    @property
    def has_appended(self) -> bool:
        """Whether anything was written in this turn."""
        return bool(self._appended)

    def vouch(self, path: str) -> None:
        """Have a file synced at the end, whoever wrote what was found in it."""
        if path not in self._files:
            self._files[path] = os.open(path, os.O_RDWR | os.O_APPEND)
        self._appended[path] = self._files[path]

    def release(self) -> None:
        """Let others go on; a copy of the lock's file may be open in a process that was forked meanwhile."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)

    def sync(self, salvage: Callable[[str], None]) -> None:
        """Make durable what was appended, and close all files.

        Args:
            salvage: Called with a file that cannot be synced.
        """
        try:
            for path, file in self._appended.items():
                with Explained("write", Path(path)):
                    try:
                        sync_appended(file)
                    except OSError:
                        salvage(path)
        finally:
            for file in self._files.values():
                os.close(file)


def _take(file: int, path: str) -> None:
    """Wait for the lock, but not for ever: its holder may stand still instead of being killed."""
    end, pause_s = time.monotonic() + _PATIENCE_S, _SHORTEST_PAUSE_S
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        if time.monotonic() > end:
            raise EnvironmentFailure(
                f"{_holder(file)} has kept the lock {path} for {_PATIENCE_S:g} seconds; a turn takes less "
                "than a millisecond, so most likely it was stopped. Let it go on, or kill it, and repeat "
                "this; nothing was written, and what is in the log is safe."
            )
        time.sleep(pause_s)
        pause_s = min(_LONGEST_PAUSE_S, 1.5 * pause_s)


def _holder(file: int) -> str:
    """Who has the lock, where the kernel tells."""
    with suppress(OSError):
        inode = str(os.fstat(file).st_ino)
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            fields = line.split()  # 1: FLOCK ADVISORY WRITE 4711 fe:00:1234 0 EOF
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
                return f"Process {fields[4]}"
    return "Another process"
