"""What tells a file's content from any other without reading it: path, size and times."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

SETTLED_S = 2.0
"""File systems keep times as coarse as this; a younger file could change again and keep its times."""


def stamp_of(path: Path, *, settled: bool = False) -> str | None:
    """Text that changes whenever the file does; None for a file that has changed just now.

    The time of the last change of status is part of it: unlike that of the content, no program can
    set it back.

    Args:
        path: The file.
        settled: It will not change any more, however young it is.
    """
    status = path.stat()
    ages = (time.time() - changed for changed in (status.st_mtime, status.st_ctime))
    if not settled and any(abs(age) < SETTLED_S for age in ages):
        return None
    return f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def stamp_of_all(paths: Sequence[Path], *, wait: bool) -> str | None:
    """One stamp for several files; None when a file has none.

    Args:
        paths: The files.
        wait: Until files that have changed just now are old enough.
    """
    found = [stamp_of(path) for path in paths]
    if wait and None in found:
        time.sleep(SETTLED_S)
        found = [stamp_of(path) for path in paths]
    known = [stamp for stamp in found if stamp is not None]
    return key_of(*known) if len(known) == len(found) else None


def key_of(*parts: str) -> str:
    """One name (64 hex digits) for all parts together."""
    digest = hashlib.sha256()
    for part in parts:
        text = part.encode("utf-8", "surrogateescape")  # file names need not be valid text
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()
