"""Memory that a process has freed stays with the process."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""glibc's names for what `mallopt` sets."""


@cache
def keep_freed_memory() -> bool:
    """Have the C library reuse freed memory instead of giving it back to the system at once.

    A training step frees and asks for the same tens of megabytes again and again; with glibc's defaults
    a tenth of a step on a CPU goes into page faults. Returns whether the library could be told.
    """
    if not sys.platform.startswith("linux"):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 << 20))
    try:
        library = ctypes.CDLL(None)
        return all(library.mallopt(name, value) == 1 for name, value in settings)
    except AttributeError:  # another C library than glibc
        return False
