"""The activations of one prefix, in memory, above those on disk."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from taskgrove.trainer.prefix.key import Compute, in_chunks
from taskgrove.trainer.prefix.shelf import Shelf


class Asked(NamedTuple):
    """What was asked for.

    Attributes:
        values: (n, ...) on the device.
        computed: Images that were computed.
        read: Images that were found on disk.
    """

    values: Tensor
    computed: int = 0
    read: int = 0


class Memo:
    """The activations of one prefix for the images of one split, filled as they are asked for.

    Args:
        num_images: Of the split.
        chunk: Images that are always computed at once.
        limit_bytes: Nothing is kept when all of them would take more.
        shelf: Where others are; None for nowhere.
    """

    def __init__(self, num_images: int, chunk: int, limit_bytes: int, shelf: Shelf | None = None) -> None:
        self._known = torch.zeros(num_images, dtype=torch.bool)
        self._chunk = chunk
        self._limit = limit_bytes
        self._shelf = shelf
        self._values: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Reserved so far."""
        return self._known.nbytes + (0 if self._values is None else self._values.nbytes)

    def rows(self, index: Tensor, compute: Compute) -> Asked:
        """The activations of some images, computed where they are neither here nor on disk.

        Args:
            index: (n,) int64 on the CPU.
            compute: See `in_chunks`.
        """
        missing = torch.unique(index[~self._known[index]])
        new = self._fetched(missing, compute) if len(missing) else None
        if new is not None:
            self._keep(missing, new.values)
        if self._values is not None:
            values = self._values.index_select(0, index.to(self._values.device))
        else:  # none can be kept, so these were all
            assert new is not None
            places = torch.searchsorted(missing, index).to(new.values.device)
            values = new.values.index_select(0, places)
        return Asked(values) if new is None else new._replace(values=values)

    def _fetched(self, missing: Tensor, compute: Compute) -> Asked:
        def computed(index: Tensor) -> Tensor:
            return in_chunks(index, self._chunk, compute)

        if self._shelf is None:
            return Asked(computed(missing), computed=len(missing))
        values, read = self._shelf.rows(missing, computed, self._chunk)
        return Asked(values, computed=len(missing) - read, read=read)

    def _keep(self, missing: Tensor, values: Tensor) -> None:
        if self._values is None:
            if len(self._known) * values[0].nbytes > self._limit:
                self._limit = 0
                return
            shape = (len(self._known), *values.shape[1:])
            self._values = torch.empty(shape, dtype=values.dtype, device=values.device)
        self._values[missing.to(self._values.device)] = values
        self._known[missing] = True
        if bool(self._known.all()):
            self._shelf = None  # what it has mapped would stay on the disk, even when it is removed
