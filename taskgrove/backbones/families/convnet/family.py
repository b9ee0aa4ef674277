"""Convolutional networks as a family: structure, initial tensors, forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from taskgrove.backbones.base import Tensors
from taskgrove.backbones.dense import dense
from taskgrove.backbones.families.convnet.layout import KERNEL, LAYOUTS, ConvnetLayout, layout_of, space_of
from taskgrove.backbones.stack_family import AbstractStackFamily
from taskgrove.domain.hparams import Space
from taskgrove.domain.layout import Slot


@final
class ConvnetFamily(AbstractStackFamily):
    """Convolutions with max-pooling and ReLU below dense layers."""

    @property
    def name(self) -> str:
        return "convnet"

    @property
    def members(self) -> Sequence[str]:
        return tuple(LAYOUTS)

    def layout(self, member: str) -> ConvnetLayout:
        return layout_of(member)

    def space(self, member: str) -> Space:
        return space_of(member)

    def apply(self, slot: Slot, tensors: Tensors, x: Tensor) -> Tensor:
        match slot.kind:
            case "conv":
                return _convolve(tensors, x)
            case "dense":
                return functional.relu(dense(tensors, x))
            case _:
                return dense(tensors, x)


def _convolve(tensors: Tensors, x_BCHW: Tensor) -> Tensor:
    """Features (B, 2C, H/2, W/2); the ReLU gives the same after the pooling, at a quarter of the cost.

    Convolutions and poolings are about twice as fast when a pixel's channels lie side by side in memory,
    forward and backward; the features keep that order from layer to layer.
    """
    x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)
    y = functional.conv2d(x_BCHW, tensors["weight"], tensors["bias"], padding=KERNEL // 2)
    return functional.relu(functional.max_pool2d(y, 2))
