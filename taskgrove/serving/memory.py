"""What layers have made of images that may be asked for again, by the images' content."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_ENTRY_BYTES = 200
"""What an entry takes besides its values."""


class ImageMemory:
    """Activations by layer and image; the least recently used go first.

    Args:
        limit_bytes: Of all of them together; 0 keeps nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._rows: OrderedDict[tuple[int, bytes], Tensor] = OrderedDict()

    @property
    def keeps(self) -> bool:
        """Whether anything can be kept."""
        return self._limit > 0

    def find(self, layer: int, image: bytes) -> Tensor | None:
        """What a layer has made of an image, on the device; None where it is not known."""
        row = self._rows.get((layer, image))
        if row is not None:
            self._rows.move_to_end((layer, image))
        return row

    def keep(self, layer: int, images: Sequence[bytes], rows: Tensor) -> None:
        """Keep what a layer has made of images, (n, ...)."""
        for image, row in zip(images, rows, strict=True):
            if (layer, image) not in self._rows:
                self._rows[layer, image] = row.clone()  # a view would keep the whole batch
                self._used += row.nbytes + _ENTRY_BYTES
        while self._used > self._limit:
            self._used -= self._rows.popitem(last=False)[1].nbytes + _ENTRY_BYTES


def names_of(images_NHWC: NDArray[np.uint8]) -> list[bytes]:
    """What tells each image from all others."""
    form = str(images_NHWC.shape[1:]).encode()
    return [hashlib.sha256(form + image.tobytes()).digest() for image in images_NHWC]
