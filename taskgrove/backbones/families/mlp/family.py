"""Fully connected networks as a family: structure, initial tensors, forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from torch import Generator, Tensor
from torch.nn import functional

from taskgrove.backbones.base import AbstractFamily, Tensors
from taskgrove.backbones.dense import dense, initialise, resample
from taskgrove.backbones.families.mlp.layout import LAYOUTS, MlpLayout, layout_of, space_of
from taskgrove.backbones.stacks import no_format, no_weights
from taskgrove.domain.hparams import Space
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import Slot


@final
class MlpFamily(AbstractFamily):
    """Dense layers with ReLU on all pixels of an image."""

    @property
    def name(self) -> str:
        return "mlp"

    @property
    def members(self) -> Sequence[str]:
        return tuple(LAYOUTS)

    def layout(self, member: str) -> MlpLayout:
        return layout_of(member)

    def space(self, member: str) -> Space:
        return space_of(member)

    def insertion_space(self, member: str) -> Space:
        layout_of(member)
        return Space(())

    def init(self, slot: Slot, generator: Generator) -> dict[str, Tensor]:
        return initialise(slot, generator)

    def resize(self, slot: Slot, tensors: Tensors) -> dict[str, Tensor]:
        return resample(slot, tensors)

    def apply(self, slot: Slot, tensors: Tensors, x: Tensor) -> Tensor:
        if slot.kind == "pixels" and slot.shapes["weight"][1] == 1:
            x = _grey(x)
        y = dense(tensors, x)
        return y if slot.kind == "head" else functional.relu(y)

    def read_weights(self, path: Path, member: str) -> dict[SlotName, dict[str, Tensor]]:
        layout_of(member)
        raise no_weights(path, member)

    def write_weights(self, components: Mapping[SlotName, Tensors], member: str) -> bytes:
        layout_of(member)
        raise no_format(member)


def _grey(images_BCHW: Tensor) -> Tensor:
    """The mean of the channels (B, 1, H, W), added up in one order whatever the layout in memory."""
    red, green, blue = images_BCHW.unbind(1)
    return ((red + green + blue) / 3).unsqueeze(1)
