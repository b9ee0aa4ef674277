"""Images that a device has no room for: read batch by batch, the next batches ahead of their use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import final

import torch
from torch import Tensor

from taskgrove.tasks.mapped import MappedImages

BATCHES_AHEAD = 2


class ReadAhead:
    """Batches that a thread reads while others are being used.

    Args:
        read: Gives images in main memory; called in the thread.
        batches: Indices (B,) on the CPU, in the order in which they will be asked for.
    """

    def __init__(self, read: Callable[[Tensor], Tensor], batches: Sequence[Tensor]) -> None:
        self._read = read
        self._batches = iter(batches)
        self._begun: deque[_Begun] = deque()
        self._used = 0
        self._announced = 0
        self._thread = ThreadPoolExecutor(1)
        self._begin()

    def take(self, index: Tensor) -> Tensor | None:
        """A batch that the thread has read or is reading; None when it was never announced."""
        self._used += len(index)
        found = next((b for b in self._begun if torch.equal(b.index, index)), None)
        # what was announced and not asked for makes room, too
        while self._begun and self._begun[0].end <= self._used:
            self._begun.popleft()
        self._begin()
        return None if found is None else found.images.result()

    def stop(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _begin(self) -> None:
        for index in islice(self._batches, BATCHES_AHEAD - len(self._begun)):
            self._announced += len(index)
            images = self._thread.submit(self._read, index)
            self._begun.append(_Begun(index=index, end=self._announced, images=images))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A batch that is being read, and how many images were announced up to its end."""

    index: Tensor
    end: int
    images: Future[Tensor]


@final
class StreamedImages:
    """Images that are read when they are asked for, and then moved to the device.

    Indexing is that of a uint8 tensor (N, H, W, C): an int64 tensor or a slice gives a tensor on the
    device.

    Args:
        source: Where they are.
        device: Where they are wanted.
    """

    def __init__(self, source: MappedImages, device: torch.device) -> None:
        self.device = device
        self._source = source
        self._ahead: ReadAhead | None = None

    def __len__(self) -> int:
        return len(self._source)

    @property
    def shape(self) -> torch.Size:
        """Of all of them."""
        return torch.Size(self._source.shape)

    def __getitem__(self, where: Tensor | slice) -> Tensor:
        where = where if isinstance(where, slice) else where.cpu()
        ready = None if self._ahead is None or isinstance(where, slice) else self._ahead.take(where)
        images = self.read(where) if ready is None else ready
        return images.to(self.device, non_blocking=True)

    def read(self, where: Tensor | slice) -> Tensor:
        """Some images in main memory, pinned if they are for a GPU."""
        rows = where if isinstance(where, slice) else where.numpy()
        images = torch.from_numpy(self._source.read(rows))
        return images.pin_memory() if self.device.type == "cuda" else images

    def first(self, count: int) -> StreamedImages:
        """The first `count` images, or all if there are fewer; none is read."""
        return StreamedImages(self._source[:count], self.device)

    @contextmanager
    def reading_ahead(self, batches: Sequence[Tensor]) -> Iterator[None]:
        """Inside the block, a thread reads the next batches while one is being used.

        Args:
            batches: Indices (B,) in the order in which they will be asked for; asking for others
                instead is allowed, and they are read at once.
        """
        self._ahead = ReadAhead(self.read, batches)
        try:
            yield
        finally:
            self._ahead.stop()
            self._ahead = None


DeviceImages = Tensor | StreamedImages
"""(N, H, W, C) uint8 on the device, or read when asked for."""


def rows_of(images: DeviceImages, index: Tensor) -> Tensor:
    """Some images, on the device.

    Args:
        images: All of them.
        index: (n,) int64, on any device.
    """
    if isinstance(images, StreamedImages):
        return images[index]
    # Copies whole images, where indexing copies value by value: a tenth of the time and less on a CPU.
    return images.index_select(0, index.to(images.device))
