"""Turns of the writers of one machine: fewer collisions; correctness never depends on them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # another system than Unix: everybody goes at once
    fcntl = None  # type: ignore[assignment]

_LONGEST_S = 0.1
"""Who waits longer goes anyway: the one whose turn it is may have been stopped."""
_LOOK_S = 0.0001


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Wait, not for long, until no other process is in its turn in this folder; a killed one's turn ends.

    Args:
        folder: Where it cannot be opened, or locks are not known, there are no turns.
    """
    with ExitStack() as end:
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            end.callback(os.close, handle)
            _take(handle)
        yield


def _take(handle: int) -> None:
    give_up = time.monotonic() + _LONGEST_S
    while fcntl is not None and time.monotonic() < give_up:
        with suppress(BlockingIOError):
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_LOOK_S)
    return None
