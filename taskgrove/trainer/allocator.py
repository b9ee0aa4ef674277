"""Memory that a process has freed stays with the process, in large pages where the system has them."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

_MXFAST, _TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = 1, -1, -2, -4
"""glibc's names for what `mallopt` sets."""
_RESERVED_BYTES = 1 << 30
"""Of addresses, not of memory: what lies in them costs nothing before it is used."""
_MADV_HUGEPAGE = 14


@cache
def keep_freed_memory() -> bool:
    """Have the C library reuse freed memory instead of giving it back to the system at once.

    A training step frees and asks for the same tens of megabytes again and again; with glibc's defaults
    a tenth of a step on a CPU goes into page faults, and a twentieth into looking up small pages and into
    merging small free pieces whenever a large one is freed. Returns whether the library could be told.
    """
    if not sys.platform.startswith("linux"):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 << 20), (_MXFAST, 0))
    try:
        library = ctypes.CDLL(None)
        told = all(library.mallopt(name, value) == 1 for name, value in settings)
    except AttributeError:  # another C library than glibc
        return False
    if told:
        _prefer_large_pages(library)
    return told


def _prefer_large_pages(library: ctypes.CDLL) -> None:
    """Reserve addresses for the heap and ask for large pages there; a system may have none."""
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    library.free(library.malloc(_RESERVED_BYTES))
    with suppress(OSError):
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            if line.endswith("[heap]"):
                start, end = (int(address, 16) for address in line.partition(" ")[0].split("-"))
                library.madvise(start, end - start, _MADV_HUGEPAGE)
