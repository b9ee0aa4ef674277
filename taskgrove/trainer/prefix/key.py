"""What remembered activations are of, and how they are always computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

import torch
from torch import Tensor

from taskgrove.domain.ids import ComponentId
from taskgrove.tasks.stamps import key_of

CHUNK, _CHUNK_PIXELS = 256, 256 * 192**2
"""Images computed at once, and their prepared pixels, at most."""

Compute = Callable[[Tensor], Tensor]
"""From the indices of a chunk of images (n,) on the CPU to their activations (n, ...)."""


def chunk_of(resolution: int) -> int:
    """Images of a resolution that frozen layers compute at once; fewer than `CHUNK` when they are large."""
    return max(1, min(CHUNK, _CHUNK_PIXELS // resolution**2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """The lower layers of a model, over the images of one split.

    Attributes:
        data: What tells the task's images from any others; on disk that must be their content.
        split: Of the task.
        resolution: Of the prepared images.
        dtype: In which the layers compute.
        arithmetic: What else decides the last bits; see `arithmetic_of`.
        family: Whose layers they are.
        layers: What each layer computes, and its component, lowest first.
    """

    data: str
    split: str
    resolution: int
    dtype: torch.dtype
    arithmetic: str
    family: str
    layers: tuple[tuple[str, ComponentId], ...]

    @property
    def chunk(self) -> int:
        """Images that are always computed at once."""
        return chunk_of(self.resolution)

    def lower(self, depth: int) -> Prefix:
        """Its lowest layers alone."""
        return replace(self, layers=self.layers[:depth])

    def digest(self) -> str:
        """One name (64 hex digits) for all of it."""
        about = (self.data, self.split, str(self.resolution), str(self.dtype), self.arithmetic, self.family)
        return key_of(*about, *chain.from_iterable(self.layers))


def arithmetic_of(device: torch.device) -> str:
    """The device and what of this process's settings may change a result in its last bits."""
    if device.type == "cuda":
        where = torch.cuda.get_device_name(device)
    else:
        where = f"{torch.get_num_threads()} threads with {_instructions()}"
    return f"{where}, torch {torch.__version__}, {torch.get_float32_matmul_precision()}"


@cache
def _instructions() -> str:
    return str(sorted(torch.cpu.get_capabilities().items()))


def in_chunks(index: Tensor, chunk: int, compute: Compute) -> Tensor:
    """Activations of images, always computed `chunk` at a time, the last one filled up with repetitions.

    So an image's activations do not depend, to the last bit, on how many others are computed with it.

    Args:
        index: (n,) int64 on the CPU, n at least 1.
        chunk: See `Prefix.chunk`.
        compute: Asked for `chunk` images each time.
    """
    filled = torch.cat([index, index[-1:].expand(-len(index) % chunk)])
    return torch.cat([compute(part) for part in torch.split(filled, chunk)])[: len(index)]
