"""Fully connected networks as a family: structure, initial tensors, forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor
from torch.nn import functional

from taskgrove.backbones.base import Tensors
from taskgrove.backbones.dense import dense
from taskgrove.backbones.families.mlp.layout import LAYOUTS, MlpLayout, layout_of, space_of
from taskgrove.backbones.stack_family import AbstractStackFamily
from taskgrove.domain.hparams import Space
from taskgrove.domain.layout import Slot


@final
class MlpFamily(AbstractStackFamily):
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

    def apply(self, slot: Slot, tensors: Tensors, x: Tensor) -> Tensor:
        if slot.kind == "pixels" and slot.shapes["weight"][1] == 1:
            x = _grey(x)
        y = dense(tensors, x)
        return y if slot.kind == "head" else functional.relu(y)


def _grey(images_BCHW: Tensor) -> Tensor:
    """The mean of the channels (B, 1, H, W), added up in one order whatever the layout in memory."""
    red, green, blue = images_BCHW.unbind(1)
    return ((red + green + blue) / 3).unsqueeze(1)
