"""The file format of the machine's cache: a header of one page, then the images' bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from numpy.typing import NDArray

from taskgrove.tasks.mapped import MappedImages, map_file, worth_mapping
from taskgrove.tasks.stamps import key_of, stamp_of

HEADER_BYTES = 4096
PARTIAL = ".partial"

Shape = tuple[int, int, int, int]
"""(N, H, W, C)."""
Blocks = Callable[[], Iterator[NDArray[np.uint8]]]
"""Gives all images in order, (K, H, W, C) at a time; may be asked twice."""


def header(key: str, shape: Shape) -> bytes:
    """What an entry begins with."""
    fields = {"key": key, "shape": shape, "checksum": key_of(key, repr(shape))}
    return json.dumps(fields).encode().ljust(HEADER_BYTES)


def read_header(path: Path, key: str) -> Shape:
    """The shape of an entry's images.

    Raises:
        OSError: There is no such file, or it cannot be read.
        ValueError: It is not a whole entry of this key.
    """
    with path.open("rb") as file:
        fields = json.loads(file.read(HEADER_BYTES))
    try:
        num, height, width, channels = fields["shape"]
        checksum = fields["checksum"]
    except (KeyError, TypeError) as error:
        raise ValueError("The header lacks a field.") from error
    shape = num, height, width, channels
    if checksum != key_of(key, repr(shape)) or path.stat().st_size != HEADER_BYTES + np.prod(shape):
        raise ValueError("Header, key and size do not belong together.")
    return shape


def open_entry(path: Path, shape: Shape) -> NDArray[np.uint8] | MappedImages:
    """The images of an entry: small ones in memory, large ones mapped."""
    size = int(np.prod(shape))
    if worth_mapping(size):
        return map_file(path, HEADER_BYTES, shape, stamp_of(path, settled=True))
    return np.fromfile(path, np.uint8, size, offset=HEADER_BYTES).reshape(shape)


def write_whole(path: Path, head: bytes, blocks: Blocks) -> None:
    """Write a file that is there as a whole or not at all.

    Args:
        path: Its folder is made when it is missing.
        head: The first bytes.
        blocks: What follows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, suffix=PARTIAL, delete=False) as file:
        try:
            file.write(head)
            for block in blocks():
                file.write(np.ascontiguousarray(block).data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def in_memory(shape: Shape, blocks: Blocks) -> NDArray[np.uint8]:
    """All images as one array."""
    images = np.empty(shape, np.uint8)
    done = 0
    for block in blocks():
        images[done : done + len(block)] = block
        done += len(block)
    return images
