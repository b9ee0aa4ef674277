"""Some activations of one prefix as a file: which images, their values, and a checksum of both."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

_INDEX, _VALUES, _CHECKSUM = "index", "values", "checksum"


def encode(key: str, index: Tensor, values: Tensor) -> bytes:
    """The content of a file.

    Args:
        key: Of the prefix.
        index: (n,) int64, ascending.
        values: (n, ...) on the CPU.
    """
    tensors = {_INDEX: index.contiguous(), _VALUES: values.contiguous()}
    return save(tensors, {_CHECKSUM: _checksum(key, *tensors.values())})


@final
class Piece:
    """A file of activations, mapped; nothing of it is read until it is asked for.

    Args:
        path: Of the file; it may be removed as soon as this is made.

    Raises:
        ValueError: It is no such file, or a damaged one.
        OSError: It is gone or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with safe_open(path, "pt") as file:
                self._index: Tensor = file.get_tensor(_INDEX)
                self._values: Tensor = file.get_tensor(_VALUES)
                self._checksum: str = (file.metadata() or {})[_CHECKSUM]
        except (SafetensorError, KeyError) as error:
            raise ValueError(f"{path} holds no activations: {error}") from error
        fits = self._index.dtype == torch.int64 and self._index.shape == self._values.shape[:1]
        if not fits or not len(self._index):
            raise ValueError(f"{path} holds other things than activations.")

    def places(self, wanted: Tensor) -> Tensor:
        """Where the activations of images are in this file, (n,) int64; -1 for those that are not."""
        places = torch.searchsorted(self._index, wanted).clamp(max=len(self._index) - 1)
        return places.masked_fill(self._index[places] != wanted, -1)

    def is_sound(self, key: str) -> bool:
        """Whether it is what was written for this key; reads all of it."""
        return self._checksum == _checksum(key, self._index, self._values)

    def rows(self, places: Tensor) -> Tensor:
        """Activations by place, in memory."""
        return self._values[places]


def _checksum(key: str, index: Tensor, values: Tensor) -> str:
    digest = hashlib.sha256(f"{key} {values.dtype} {tuple(values.shape)}".encode())
    for tensor in (index, values):
        digest.update(tensor.view(torch.uint8).numpy().data)
    return digest.hexdigest()
