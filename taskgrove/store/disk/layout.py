"""How the records of a store's log lie in a folder: each in a file of its own, or a thousand in one."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, cast, get_args

from taskgrove.domain.errors import StoreFormatError
from taskgrove.store.disk.durable import ABSENT, create
from taskgrove.store.disk.mounts import is_local
from taskgrove.store.keys import LOG

Layout = Literal["journal", "files"]
MARKER = f"{LOG}.layout"
"""Says which; also what writers of a journal lock. No key begins so."""


def layout_of(root: Path) -> Layout | None:
    """What was decided for a store; None while its log has not begun.

    A store that is older than this question has no marker and a folder per thousand; one that lost its marker
    on the way has a file per thousand.

    Raises:
        StoreFormatError: Another version of Taskgrove decided.
    """
    with suppress(*ABSENT):
        word = (root / MARKER).read_text(encoding="ascii", errors="replace").strip()
        if word not in get_args(Layout):
            raise StoreFormatError(
                f"{root / MARKER} says that records lie as {word!r}; this Taskgrove knows "
                f"{', '.join(get_args(Layout))}. Use the version that made the store, or restore that file."
            )
        return cast(Layout, word)
    with suppress(*ABSENT), os.scandir(root / LOG) as found:
        for entry in found:
            if entry.name.isdecimal():
                return "files" if entry.is_dir() else "journal"
    return None


def decide(root: Path, settle: Callable[[Path], None]) -> Layout:
    """What holds for a store from now on; the first writer decides for all.

    Args:
        root: Of the store.
        settle: Makes a folder whose name survives a power cut.
    """
    marker = root / MARKER
    decided = layout_of(root)
    if decided == "files" or (decided is not None and marker.exists()):
        return decided
    settle(marker.parent)
    word: Layout = "journal" if decided or is_local(root) else "files"
    create(marker, f"{word}\n".encode())
    return layout_of(root) or word
