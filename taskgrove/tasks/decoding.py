"""Decodes many images: once per machine, in parallel, telling how far it has come."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, final

import numpy as np
from numpy.typing import NDArray

from taskgrove.tasks.cache import ImageCache
from taskgrove.tasks.cache_entry import in_memory
from taskgrove.tasks.mapped import MappedImages
from taskgrove.tasks.progress import tell_progress
from taskgrove.tasks.raster import DECODER, Encoded, Look, decode, form_of, look_at
from taskgrove.tasks.stamps import key_of, stamp_of_all

IMAGES_AT_ONCE = 256
"""Images that are worked on together."""
_MANY_IMAGES = 1000
"""Take so long to decode that it is worth a moment's wait to be able to keep them."""

T = TypeVar("T")
S = TypeVar("S")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedImages:
    """Images as they are stored, in files of their own or many to a file.

    Attributes:
        files: What holds them.
        num_images: N.
        chunks: Gives all of them in order, about `IMAGES_AT_ONCE` at a time; may be asked twice.
    """

    files: Sequence[Path]
    num_images: int
    chunks: Callable[[], Iterator[Sequence[Encoded]]]

    @classmethod
    def of_files(cls, paths: Sequence[Path]) -> EncodedImages:
        """One image per file."""
        return cls(files=paths, num_images=len(paths), chunks=partial(_chunks_of_files, paths))

    def look(self) -> Iterable[Look]:
        """What each image looks like."""
        looks = in_parallel(look_at, self.chunks(), self.num_images, "looking at images")
        return (look for part in looks for look in part)


def decode_images(
    images: EncodedImages, version: str, size: str, look: Callable[[], Iterable[Look]] | None = None
) -> NDArray[np.uint8] | MappedImages:
    """The images (N, H, W, C), from the machine's cache if they have been decoded before.

    Args:
        images: At least one.
        version: Of what reads the files, with every setting that changes an image but its size.
        size: See `taskgrove.tasks.raster.form_of`.
        look: Tells what the images look like, asked only when they must be decoded; None looks at each.
    """
    cache = ImageCache.of_machine()
    stamp = stamp_of_content(images.files, images.num_images)
    key = None if stamp is None else key_of(f"{version}, {DECODER}, size {size}", stamp)
    found = None if key is None else cache.find(key)
    if found is not None:
        return found
    form = form_of((look or images.look)(), size)
    shape = images.num_images, form.height, form.width, form.channels

    def blocks() -> Iterator[NDArray[np.uint8]]:
        decoded = in_parallel(partial(decode, form=form), images.chunks(), images.num_images, "decoding")
        return (np.stack(arrays) for arrays in decoded)

    return in_memory(shape, blocks) if key is None else cache.keep(key, shape, blocks)


def stamp_of_content(files: Sequence[Path], num_images: int) -> str | None:
    """What tells the files from any others; None for no files, or few images in files changed just now."""
    return stamp_of_all(files, wait=num_images >= _MANY_IMAGES) if files else None


def in_parallel(
    work: Callable[[S], T], chunks: Iterable[Sequence[S]], total: int, what: str
) -> Iterator[list[T]]:
    """What `work` makes of each item, in order, chunk by chunk.

    Args:
        work: Called in threads; Pillow lets go of the interpreter's lock while it decodes.
        chunks: The items.
        total: Number of items.
        what: Is being done, for whoever shows progress.
    """
    tell_progress(what, 0, total)
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk in chunks:
            yield list(pool.map(work, chunk))
            done += len(chunk)
            tell_progress(what, done, total)


def _chunks_of_files(paths: Sequence[Path]) -> Iterator[Sequence[Encoded]]:
    for start in range(0, len(paths), IMAGES_AT_ONCE):
        yield [Encoded(path, str(path)) for path in paths[start : start + IMAGES_AT_ONCE]]
