"""Locks between the processes of one search; they end with their holder, however it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskgrove.domain.errors import BadValueError

if sys.platform != "win32":
    import fcntl


@contextmanager
def held(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock that a file stands for; where there are no such locks, nothing is held.

    Args:
        path: The file, made when missing and left behind.
        wait: Whether to wait for another holder.

    Raises:
        BadValueError: Another process holds it and `wait` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BadValueError(
                    f"Another process is at work on the search in {path.parent}. Let it end, or choose "
                    "another folder."
                ) from error
        yield
