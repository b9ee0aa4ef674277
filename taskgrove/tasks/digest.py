"""What tells a task's data from any other: a digest of all bytes, or of the files that hold them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from taskgrove.tasks.base import Images, Split, TaskData
from taskgrove.tasks.mapped import MappedImages, in_memory
from taskgrove.tasks.progress import tell_progress
from taskgrove.tasks.stamps import key_of


def digest_of_bytes(data: TaskData) -> str:
    """sha256 (hex) over shapes, types and bytes of the images and labels of all roles."""
    digest = hashlib.sha256()
    for split in (data.train, data.val, data.test):
        digest.update(f"{np.dtype(np.uint8).str}{split.pixels.shape};".encode())
        for block in _blocks(split.pixels):
            digest.update(block.data)
        digest.update(f"{split.labels.dtype.str}{split.labels.shape};".encode())
        digest.update(np.ascontiguousarray(split.labels).data)
    return digest.hexdigest()


def digest_of_files(data: TaskData) -> str | None:
    """Text (hex) that is equal only for equal data; images in files are not read for it.

    None when no image is in a file, or files are too young to be told by their times.
    """
    splits = (data.train, data.val, data.test)
    if not any(isinstance(split.pixels, MappedImages) for split in splits):
        return None
    parts = [part for split in splits for part in (_identity(split), _labels(split))]
    known = [part for part in parts if part is not None]
    return key_of(*known) if len(known) == len(parts) else None


def _identity(split: Split) -> str | None:
    pixels = split.pixels
    return (pixels if isinstance(pixels, MappedImages) else in_memory(pixels)).identity()


def _labels(split: Split) -> str:
    return hashlib.sha256(np.ascontiguousarray(split.labels).data).hexdigest()


def _blocks(pixels: Images | MappedImages) -> Iterator[Images]:
    if not isinstance(pixels, MappedImages):
        yield np.ascontiguousarray(pixels)
        return
    done = 0
    for block in pixels.blocks():
        yield block
        done += len(block)
        tell_progress("reading all images once", done, len(pixels))
