"""Decodes many image files: once per machine, in parallel, telling how far it has come."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from taskgrove.tasks.cache import ImageCache
from taskgrove.tasks.cache_entry import in_memory
from taskgrove.tasks.mapped import MappedImages
from taskgrove.tasks.progress import tell_progress
from taskgrove.tasks.stamps import key_of, stamp_of_all

FILES_AT_ONCE = 256
_MANY_FILES = 1000
"""Take so long to decode that it is worth a moment's wait to be able to keep them."""

T = TypeVar("T")
Decode = Callable[[Path], NDArray[np.uint8]]
"""From a file to its image (H, W, C); called in threads."""
Plan = Callable[[], tuple[tuple[int, int, int], Decode]]
"""Looks at the files: height, width and channels that all images get, and what decodes one."""


def decode_files(paths: Sequence[Path], version: str, plan: Plan) -> NDArray[np.uint8] | MappedImages:
    """The images (N, H, W, C) of files, from the machine's cache if they have been decoded before.

    Args:
        paths: The files, in the order of the images.
        version: Of the decoder, with every setting that changes an image.
        plan: Asked only when something has to be decoded.
    """
    cache = ImageCache.of_machine()
    stamp = stamp_of_all(paths, wait=len(paths) >= _MANY_FILES)
    key = None if stamp is None else key_of(version, stamp)
    found = None if key is None else cache.find(key)
    if found is not None:
        return found
    image_shape, decode = plan()
    shape = len(paths), *image_shape

    def blocks() -> Iterator[NDArray[np.uint8]]:
        return (np.stack(images) for images in in_parallel(decode, paths, "decoding"))

    return in_memory(shape, blocks) if key is None else cache.keep(key, shape, blocks)


def in_parallel(work: Callable[[Path], T], paths: Sequence[Path], what: str) -> Iterator[list[T]]:
    """What `work` makes of each file, in order, `FILES_AT_ONCE` at a time.

    Args:
        work: Called in threads; Pillow lets go of the interpreter's lock while it decodes.
        paths: The files.
        what: Is being done, for whoever shows progress.
    """
    tell_progress(what, 0, len(paths))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), FILES_AT_ONCE):
            chunk = paths[start : start + FILES_AT_ONCE]
            yield list(pool.map(work, chunk))
            tell_progress(what, start + len(chunk), len(paths))
