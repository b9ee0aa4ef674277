"""Large arrays of images in a NumPy archive, without reading the archive into memory."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from taskgrove.tasks.cache import ImageCache
from taskgrove.tasks.mapped import MappedImages, map_file, worth_mapping
from taskgrove.tasks.stamps import key_of, stamp_of_all

_BLOCK_BYTES = 16 << 20
_LOCAL_HEADER = struct.Struct("<26xHH")
"""Of a file in a zip archive: at its end the lengths of name and extra field, which follow it."""
_READ_HEADER = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def map_member(path: Path, name: str) -> NDArray[np.uint8] | MappedImages | None:
    """An array of images that is too large to be read as a whole.

    Uncompressed, it is mapped where it lies, after its checksum has been verified once; compressed,
    it is unpacked into the machine's cache.

    Args:
        path: Of an archive that `numpy.savez` wrote.
        name: Of the array.

    Returns:
        None for an array that is small, or is no images, or changed just now.

    Raises:
        OSError, BadZipFile, ValueError, zlib.error: The archive is damaged.
    """
    with ZipFile(path) as archive:
        file = f"{name}.npy"
        if file not in archive.namelist() or not worth_mapping(archive.getinfo(file).file_size):
            return None
        info = archive.getinfo(file)
        stamp = stamp_of_all([path], wait=True)
        with archive.open(info) as member:
            shape, start = _image_shape(member)
        if shape is None or stamp is None:
            return None
        if info.compress_type == ZIP_STORED:
            _verify(archive, info, key_of("npz checksum", stamp, name))
            return map_file(path, _offset(path, info) + start, shape, stamp)
        return _unpacked(archive, info, key_of("npz 1", stamp, name), shape)


def _image_shape(member: IO[bytes]) -> tuple[tuple[int, ...] | None, int]:
    """The shape, if it holds images in C order, and where its bytes begin."""
    read_header = _READ_HEADER.get(npy.read_magic(member))
    if read_header is None:
        return None, 0
    shape, is_fortran, dtype = read_header(member)
    is_images = dtype == np.uint8 and not is_fortran and len(shape) in (3, 4)
    is_images = is_images and (len(shape) == 3 or shape[3] in (1, 3)) and math.prod(shape) > 0
    return (shape if is_images else None), member.tell()


def _offset(path: Path, info: ZipInfo) -> int:
    with path.open("rb") as file:
        file.seek(info.header_offset)
        name_bytes, extra_bytes = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    return int(info.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes)


def _verify(archive: ZipFile, info: ZipInfo, key: str) -> None:
    cache = ImageCache.of_machine()
    if cache.recall(key) is None:
        with archive.open(info) as member:  # which compares the checksum at the end
            while member.read(_BLOCK_BYTES):
                pass
        cache.note(key, "sound")


def _unpacked(
    archive: ZipFile, info: ZipInfo, key: str, shape: tuple[int, ...]
) -> NDArray[np.uint8] | MappedImages:
    cache = ImageCache.of_machine()
    found = cache.find(key)
    channels = shape[3] if len(shape) == 4 else 1
    whole = shape[0], shape[1], shape[2], channels
    return cache.keep(key, whole, partial(_blocks, archive, info, whole)) if found is None else found


def _blocks(archive: ZipFile, info: ZipInfo, shape: tuple[int, int, int, int]) -> Iterator[NDArray[np.uint8]]:
    num, *image_shape = shape
    size = max(1, _BLOCK_BYTES // math.prod(image_shape))
    with archive.open(info) as member:
        _image_shape(member)
        for start in range(0, num, size):
            count = min(size, num - start)
            data = member.read(count * math.prod(image_shape))
            yield np.frombuffer(data, np.uint8).reshape(count, *image_shape)
        if member.read(1):  # at the end the checksum is compared
            raise ValueError(f"{info.filename} is longer than its shape says.")
