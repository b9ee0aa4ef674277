"""What families of plain stacks have in common: no insertable slots, no public weights, one way to begin."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

from torch import Generator, Tensor

from taskgrove.backbones.base import AbstractFamily, Tensors
from taskgrove.backbones.dense import initialise, resample
from taskgrove.backbones.stacks import no_format, no_weights
from taskgrove.domain.hparams import Space
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import AbstractLayout, Slot


class AbstractStackFamily(AbstractFamily):
    """Layers one above the other, each with a weight and a bias."""

    @abstractmethod
    def layout(self, member: str) -> AbstractLayout: ...

    def insertion_space(self, member: str) -> Space:
        self.layout(member)
        return Space(())

    def init(self, slot: Slot, generator: Generator) -> dict[str, Tensor]:
        return initialise(slot, generator)

    def resize(self, slot: Slot, tensors: Tensors) -> dict[str, Tensor]:
        return resample(slot, tensors)

    def read_weights(self, path: Path, member: str) -> dict[SlotName, dict[str, Tensor]]:
        self.layout(member)
        raise no_weights(path, member)

    def write_weights(self, components: Mapping[SlotName, Tensors], member: str) -> bytes:
        self.layout(member)
        raise no_format(member)
