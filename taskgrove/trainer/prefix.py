"""What frozen layers make of a data set's images, computed once and kept while there is room.

The layers below a child's lowest trainable one give the same activations in every epoch, for every
child that shares them. They are always computed in batches of one size, so that an image's activations
do not depend, to the last bit, on which others were missing: a full, an empty and no memory at all give
the same training.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch
from torch import Tensor

CHUNK = 256
"""Images computed at once."""

Compute = Callable[[Tensor], Tensor]
"""From the indices of `CHUNK` images (CHUNK,) on the CPU to their activations (CHUNK, ...)."""


class Memo:
    """The activations of one prefix for the images of one split, filled as they are asked for.

    Args:
        num_images: Of the split.
        limit_bytes: Nothing is kept when all of them would take more.
    """

    def __init__(self, num_images: int, limit_bytes: int) -> None:
        self._known = torch.zeros(num_images, dtype=torch.bool)
        self._limit = limit_bytes
        self._values: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Reserved so far."""
        return self._known.nbytes + (0 if self._values is None else self._values.nbytes)

    def rows(self, index: Tensor, compute: Compute) -> tuple[Tensor, int]:
        """The activations of some images, computed where they are missing.

        Args:
            index: (n,) int64 on the CPU.
            compute: Gives them; always asked for `CHUNK` images, some of them twice if need be.

        Returns:
            (n, ...) on the device, and how many images were computed.
        """
        if not self._keeps:
            return _in_chunks(index, compute), len(index)
        missing = torch.unique(index[~self._known[index]])
        if len(missing):
            computed = _in_chunks(missing, compute)
            self._keep(missing, computed)
            if self._values is None:  # none can be kept, so these were all
                places = torch.searchsorted(missing, index)
                return computed[places.to(computed.device)], len(missing)
        assert self._values is not None
        return self._values[index.to(self._values.device)], len(missing)

    @property
    def _keeps(self) -> bool:
        return self._limit > 0

    def _keep(self, missing: Tensor, computed: Tensor) -> None:
        if self._values is None:
            shape = (len(self._known), *computed.shape[1:])
            if len(self._known) * computed[0].nbytes > self._limit:
                self._limit = 0
                return
            self._values = torch.empty(shape, dtype=computed.dtype, device=computed.device)
        self._values[missing.to(self._values.device)] = computed
        self._known[missing] = True


def _in_chunks(index: Tensor, compute: Compute) -> Tensor:
    filled = torch.cat([index, index[-1:].expand(-len(index) % CHUNK)])
    return torch.cat([compute(chunk) for chunk in torch.split(filled, CHUNK)])[: len(index)]


class Prefixes:
    """Memos by what they are of; the least recently used go first when memory runs out.

    Args:
        limit_bytes: Of all memos together; 0 keeps nothing.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._memos: OrderedDict[Hashable, Memo] = OrderedDict()
        self.asked = 0
        """Images whose activations were wanted so far."""
        self.computed = 0
        """Of these, the ones that had to be computed."""

    def rows(self, key: Hashable, num_images: int, index: Tensor, compute: Compute) -> Tensor:
        """The activations of some images of a split; see `Memo.rows`.

        Args:
            key: Tells data, preprocessing, layers and arithmetic.
            num_images: Of the whole split.
            index: (n,) int64 on the CPU.
            compute: Used for what is missing.
        """
        if key not in self._memos:
            self._memos[key] = Memo(num_images, self._limit)
            self._used += self._memos[key].nbytes
        self._memos.move_to_end(key)
        memo = self._memos[key]
        before = memo.nbytes
        try:
            values, computed = memo.rows(index, compute)
        finally:  # a device may run out of memory in the middle
            self._used += memo.nbytes - before
        self.asked += len(index)
        self.computed += computed
        while self._used > self._limit:
            self._used -= self._memos.popitem(last=False)[1].nbytes
        return values
