"""Remembered activations of frozen layers, within a limit of memory.

The layers below a child's lowest trainable one give the same activations in every epoch, for every
child that shares them. A full, an empty, a damaged and no memory at all give the same training to the
last bit, since activations are always computed in chunks of one size.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor

from taskgrove.trainer.prefix.disk import Disk
from taskgrove.trainer.prefix.key import Compute, Prefix
from taskgrove.trainer.prefix.memo import Memo
from taskgrove.trainer.prefix.shelf import Shelf

Key = tuple[Prefix, int]
"""A prefix, and how many images the split has here: it may be the first part of another one."""


class Prefixes:
    """Memos by what they are of; the least recently used go first when memory runs out.

    Args:
        limit_bytes: Of all memos together; 0 keeps nothing in memory.
        disk: What this machine's processes have in common; None for nothing.
        device: Where activations are computed and wanted.
    """

    def __init__(
        self, limit_bytes: int, disk: Disk | None = None, device: torch.device | None = None
    ) -> None:
        self._limit = limit_bytes
        self._disk = disk
        self._device = device or torch.device("cpu")
        self._memos: OrderedDict[Key, Memo] = OrderedDict()
        self.asked = 0
        """Images whose activations were wanted so far."""
        self.computed = 0
        """Of these, the ones that had to be computed."""
        self.read = 0
        """Of these, the ones that were read from disk."""

    def has(self, prefix: Prefix, num_images: int) -> bool:
        """Whether activations of the prefix are remembered, some of them at least."""
        in_memory = (prefix, num_images) in self._memos
        return in_memory or (self._disk is not None and bool(self._disk.pieces(prefix.digest())))

    def rows(
        self, prefix: Prefix, num_images: int, index: Tensor, compute: Compute, *, counted: bool = True
    ) -> Tensor:
        """The activations of some images of a split.

        Args:
            prefix: Whose activations.
            num_images: Of the whole split.
            index: (n,) int64 on the CPU, n at least 1.
            compute: Used for what is not remembered; asked for `prefix.chunk` images each time, some of
                them twice if need be.
            counted: Whether this is no part of another answer.

        Returns:
            (n, ...) on the device.
        """
        found = self._memo(prefix, num_images).rows(index, compute)
        if counted:
            self.asked += len(index)
            self.computed += found.computed
            self.read += found.read
        while sum(memo.nbytes for memo in self._memos.values()) > self._limit:
            self._memos.popitem(last=False)
        return found.values

    def _memo(self, prefix: Prefix, num_images: int) -> Memo:
        key = (prefix, num_images)
        if key not in self._memos:
            self._memos[key] = Memo(num_images, prefix.chunk, self._limit, self._shelf(prefix))
        self._memos.move_to_end(key)
        return self._memos[key]

    def _shelf(self, prefix: Prefix) -> Shelf | None:
        """Images that are only prepared are read from where they come from, not from another disk."""
        if self._disk is None or not prefix.layers:
            return None
        return Shelf(self._disk, prefix.digest(), self._device)
