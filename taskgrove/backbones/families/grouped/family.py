"""Networks in groups of channels as a family: structure, initial tensors, forward pass.

One tensor flows through the slots, as in all families: after some groups of a layer it holds the layer's
input with what the groups have made of it so far, flat (B, n); after the last group only the latter, all
channels of the layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, final

import torch
from torch import Tensor
from torch.nn import functional

from taskgrove.backbones.base import Layer, Tensors
from taskgrove.backbones.dense import dense
from taskgrove.backbones.families.grouped.layout import KERNEL, LAYOUTS, GroupedLayout, layout_of, space_of
from taskgrove.backbones.stack_family import AbstractStackFamily
from taskgrove.domain.hparams import Space
from taskgrove.domain.layout import Slot


class _Group(NamedTuple):
    """Which part of a layer a slot is."""

    conv: bool
    number: int
    of: int

    @property
    def last(self) -> bool:
        return self.number == self.of - 1


@final
class GroupedFamily(AbstractStackFamily):
    """Convolutions with max-pooling and ReLU below a dense layer, in groups of channels."""

    @property
    def name(self) -> str:
        return "grouped"

    @property
    def members(self) -> Sequence[str]:
        return tuple(LAYOUTS)

    def layout(self, member: str) -> GroupedLayout:
        return layout_of(member)

    def space(self, member: str) -> Space:
        return space_of(member)

    def apply(self, slot: Slot, tensors: Tensors, x: Tensor) -> Tensor:
        if slot.kind == "head":
            return dense(tensors, x)
        group, flat = _group_of(slot), x.flatten(1)
        size = _input_size(slot, group, flat.shape[1])
        below, done = flat[:, :size], flat[:, size:]
        made = (_convolve if group.conv else _dense)(tensors, below)
        return torch.cat((done, made) if group.last else (flat, made), dim=1)

    def chain(self, slots: Sequence[Slot]) -> tuple[Layer, ...]:
        return tuple(Layer(slot.name, partial(self.apply, slot), partial(_own, slot)) for slot in slots)


def _group_of(slot: Slot) -> _Group:
    layer, number, _, of = slot.kind.split()
    return _Group(conv=layer == "conv", number=int(number), of=int(of))


def _input_size(slot: Slot, group: _Group, total: int) -> int:
    """Of the layer's input, in a flat tensor with what the groups before this one have made of it.

    A group makes a quarter as many places of a convolution's input, each of its own channels.
    """
    channels, inputs = slot.shapes["weight"][:2]
    if not group.conv:
        return total - group.number * channels
    return 4 * inputs * total // (4 * inputs + group.number * channels)


def _own(slot: Slot, y: Tensor) -> Tensor:
    """What a slot has made itself, out of what flows on."""
    if slot.kind == "head":
        return y
    group, channels = _group_of(slot), slot.shapes["weight"][0]
    if group.last:
        return y[:, y.shape[1] - y.shape[1] // group.of :]
    inputs, groups = slot.shapes["weight"][1], group.number + 1
    size = channels if not group.conv else channels * y.shape[1] // (4 * inputs + groups * channels)
    return y[:, y.shape[1] - size :]


def _convolve(tensors: Tensors, flat: Tensor) -> Tensor:
    """Flat features of a group (B, c * H/2 * W/2) from all of the layer below (B, C * H * W)."""
    channels = tensors["weight"].shape[1]
    edge = math.isqrt(flat.shape[1] // channels)
    x_BCHW = flat.view(-1, channels, edge, edge)
    y = functional.conv2d(x_BCHW, tensors["weight"], tensors["bias"], padding=KERNEL // 2)
    return functional.relu(functional.max_pool2d(y, 2)).flatten(1)


def _dense(tensors: Tensors, flat: Tensor) -> Tensor:
    return functional.relu(dense(tensors, flat))
