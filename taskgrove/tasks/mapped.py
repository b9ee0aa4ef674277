"""Images that stay in files until they are asked for: rows of memory-mapped arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

MAPPED_FROM_BYTES = 64 << 20
"""Smaller arrays are read into memory."""
_BLOCK_BYTES = 16 << 20

Index = NDArray[np.intp]
"""(K,) positions."""


def worth_mapping(num_bytes: int) -> bool:
    """Whether an array of this size stays in its file."""
    return num_bytes >= MAPPED_FROM_BYTES


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An array that rows are read from.

    Attributes:
        array: (N, H, W, C) uint8, mapped or in memory.
        stamp: Tells the content from any other; None when only reading it can.
        order: See `with_pixels_moved`, applied to every row that is read; None leaves rows as they are.
    """

    array: NDArray[np.uint8]
    stamp: str | None
    order: Index | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MappedImages:
    """Rows of arrays, chosen and put in order without reading one.

    Attributes:
        parts: One after the other; of one image shape.
        rows: (N,) positions in the parts together.
    """

    parts: tuple[Part, ...]
    rows: Index

    @classmethod
    def of(cls, *parts: Part) -> MappedImages:
        """All rows of the parts."""
        return cls(parts=parts, rows=np.arange(sum(len(part.array) for part in parts)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C)."""
        height, width, channels = self.parts[0].array.shape[1:]
        return len(self.rows), height, width, channels

    @property
    def nbytes(self) -> int:
        """What all of them would take in memory."""
        return int(np.prod(self.shape))

    def __getitem__(self, where: slice | Index) -> MappedImages:
        return MappedImages(parts=self.parts, rows=self.rows[where])

    def with_pixels_moved(self, order: Index) -> MappedImages:
        """The images as the function of this name gives them; none is read."""
        orders = [order if part.order is None else part.order[order] for part in self.parts]
        parts = (replace(part, order=each) for part, each in zip(self.parts, orders, strict=True))
        return MappedImages(parts=tuple(parts), rows=self.rows)

    def read(self, where: slice | Index) -> NDArray[np.uint8]:
        """Some images, in memory.

        Args:
            where: Positions in [0, N).

        Returns:
            (K, H, W, C) uint8, not shared with anybody.
        """
        rows = self.rows[where]
        images = np.empty((len(rows), *self.shape[1:]), np.uint8)
        if len(self.parts) == 1:
            _gather(self.parts[0].array, rows, images)
            return _ordered(images, self.parts[0].order)
        first = 0
        for part in self.parts:
            mine = np.flatnonzero((rows >= first) & (rows < first + len(part.array)))
            images[mine] = _ordered(part.array[rows[mine] - first], part.order)
            first += len(part.array)
        return images

    def blocks(self) -> Iterator[NDArray[np.uint8]]:
        """All images in order, a few at a time."""
        size = max(1, _BLOCK_BYTES // max(1, self.nbytes // max(1, len(self))))
        return (self.read(slice(start, start + size)) for start in range(0, len(self), size))

    def identity(self) -> str | None:
        """Text (hex) that is equal only for equal images; None when only reading them can tell."""
        digest = hashlib.sha256(np.ascontiguousarray(self.rows, np.int64).tobytes())
        for part in self.parts:
            if part.stamp is None:
                return None
            digest.update(f"{part.stamp}\n{part.array.shape}\n".encode("utf-8", "surrogateescape"))
            if part.order is not None:
                digest.update(part.order.astype(np.int64).tobytes())
        return digest.hexdigest()


def with_pixels_moved(images: NDArray[np.uint8], order: Index) -> NDArray[np.uint8]:
    """Each image (N, H, W, C) with the pixels, counted row by row, in another order.

    Args:
        images: They are not changed.
        order: (H * W,) where each pixel comes from.
    """
    num_images, height, width, channels = images.shape
    flat = images.reshape(num_images, height * width, channels)
    return np.take(flat, order, axis=1).reshape(images.shape)


def _ordered(images: NDArray[np.uint8], order: Index | None) -> NDArray[np.uint8]:
    return images if order is None else with_pixels_moved(images, order)


def _gather(array: NDArray[np.uint8], rows: Index, images: NDArray[np.uint8]) -> None:
    if array.flags.c_contiguous:
        # clip: else NumPy fills a second array first; the rows are in range by construction
        np.take(array, rows, axis=0, out=images, mode="clip")
    else:
        images[:] = array[rows]


def joined(images: Sequence[NDArray[np.uint8] | MappedImages]) -> NDArray[np.uint8] | MappedImages:
    """One after the other; in memory only if all are."""
    arrays = [each for each in images if not isinstance(each, MappedImages)]
    if len(arrays) == len(images):
        return np.concatenate(arrays)
    lazy = [each if isinstance(each, MappedImages) else in_memory(each) for each in images]
    lengths = [sum(len(part.array) for part in each.parts) for each in lazy]
    firsts = np.cumsum([0, *lengths[:-1]])
    return MappedImages(
        parts=tuple(part for each in lazy for part in each.parts),
        rows=np.concatenate([each.rows + first for each, first in zip(lazy, firsts, strict=True)]),
    )


def in_memory(images: NDArray[np.uint8]) -> MappedImages:
    """An array in memory (N, H, W, C) as if it were mapped; its stamp is read from all of it."""
    stamp = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
    return MappedImages.of(Part(array=images, stamp=stamp))


def map_file(path: Path, offset: int, shape: tuple[int, ...], stamp: str | None) -> MappedImages:
    """The images (N, H, W) or (N, H, W, C) that lie in a file, in C order.

    Args:
        path: The file.
        offset: Of the first byte.
        shape: With 1 or 3 channels, or none.
        stamp: Of the file.
    """
    array: NDArray[np.uint8] = np.memmap(path, np.uint8, "r", offset, shape)
    if array.ndim == 3:
        array = array[..., None]
    return MappedImages.of(Part(array=array, stamp=None if stamp is None else f"{stamp} {offset}"))
