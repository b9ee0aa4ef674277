"""Frozen layers over the images of one split, above what is remembered of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from torch import Tensor

from taskgrove.backbones.assemble import Network
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import ComponentId, SlotName
from taskgrove.tasks.preprocess import RESOLUTION, eval_batch
from taskgrove.trainer.chain import Chain, through
from taskgrove.trainer.prefix.key import Prefix, arithmetic_of, in_chunks
from taskgrove.trainer.prefix.prefixes import Prefixes
from taskgrove.trainer.streamed import DeviceImages, rows_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Where the activations of frozen layers are remembered, and what tells them apart.

    Attributes:
        prefixes: Shared by the children of a trainer.
        data: What tells the task's images from any others.
        components: Of the frozen slots.
    """

    prefixes: Prefixes
    data: str
    components: Mapping[SlotName, ComponentId]


@final
class FrozenLayers:
    """The lowest layers of a model: all from the image on, or above the highest that are remembered.

    Args:
        memory: See `Memory`.
        network: Whose layers they are.
        chain: The lowest layers of `network`, with tensors in `dtype`.
        split: Of the images.
        images: On the device.
        hparams: `data.resolution`.
        dtype: In which the layers compute.
    """

    def __init__(
        self,
        memory: Memory,
        network: Network,
        chain: Chain,
        split: str,
        images: DeviceImages,
        hparams: Hparams,
        dtype: torch.dtype,
    ) -> None:
        self._prefixes = memory.prefixes
        self._chain = chain
        self._images = images
        self._hparams = hparams
        self._dtype = dtype
        below = zip(chain, network.slots, strict=False)
        self.prefix = Prefix(
            data=memory.data,
            split=split,
            resolution=int(hparams[RESOLUTION]),
            dtype=dtype,
            arithmetic=arithmetic_of(images.device),
            family=network.family.name,
            layers=tuple((layer.label, memory.components[slot.name]) for (layer, _), slot in below),
        )
        """What all of them together are of."""

    def rows(self, index: Tensor, depth: int, *, counted: bool = True) -> Tensor:
        """What the lowest `depth` layers make of some images; remembered from now on.

        Args:
            index: (n,) int64 on the CPU, n at least 1.
            depth: 0 for the prepared images themselves.
            counted: See `Prefixes.rows`.
        """
        prefix, compute = self.prefix.lower(depth), partial(self._compute, depth)
        return self._prefixes.rows(prefix, len(self._images), index, compute, counted=counted)

    def outputs(self, index: Tensor, keep: int) -> Tensor:
        """What all layers make of some images; the same bits whatever is remembered.

        Args:
            index: (n,) int64 on the CPU, n at least 1.
            keep: So many of the lowest layers are worth remembering; 0 for none.
        """
        below = max(keep, self._remembered(len(self._chain) - 1))
        x = self.rows(index, below) if below else None

        def compute(at: Tensor) -> Tensor:
            lower = self._prepared(index[at]) if x is None else x.index_select(0, at.to(x.device))
            return through(self._chain[below:], lower)

        with torch.no_grad():
            return in_chunks(torch.arange(len(index)), self.prefix.chunk, compute)

    def _compute(self, depth: int, index: Tensor) -> Tensor:
        below = self._remembered(depth - 1)
        with torch.no_grad():
            x = self.rows(index, below, counted=False) if below else self._prepared(index)
            return through(self._chain[below:depth], x)

    def _remembered(self, highest: int) -> int:
        """How many of the lowest layers, at most `highest`, are remembered; 0 for none."""
        depths = range(highest, 0, -1)
        return next((d for d in depths if self._prefixes.has(self.prefix.lower(d), len(self._images))), 0)

    def _prepared(self, index: Tensor) -> Tensor:
        return eval_batch(rows_of(self._images, index), self._hparams, self._dtype)
