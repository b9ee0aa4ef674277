"""The slots of convolutional networks, their sizes and their cost; imports no torch, for agents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from taskgrove.backbones.stacks import RESOLUTION, check_stack, resolution_of
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.hparams import Choice, Hparams, Space
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import AbstractLayout, Role, Slot

_CONV = tuple(SlotName(f"conv_{i}") for i in range(3))
_DENSE = (SlotName("dense_0"), SlotName("dense_1"))
_ROOT = (*_CONV, *_DENSE, SlotName("head"))
_SHRINKS = 2 ** len(_CONV)
"""Times that the poolings together halve the image's edge, multiplied out."""
KERNEL = 3


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ConvnetLayout(AbstractLayout):
    """Three convolutions with max-pooling and ReLU, two dense layers, a head: 004's for split CIFAR-100.

    The paper gives no sizes. Here a convolution is 3 by 3 with a border of zeros, each has twice as many
    channels as the one before, a pooling is 2 by 2, and `dense_0` reads the whole grid that is left, so
    that it depends on the resolution. `dense_1` may be removed.

    Attributes:
        member: The registered name.
        channels: Of the first convolution (C).
        width: Of the dense layers (D).
        edge: Resolution of the images in pixels by default, a multiple of 8.
    """

    member: str
    channels: int
    width: int
    edge: int = 32

    def root_slots(self) -> tuple[SlotName, ...]:
        return _ROOT

    def slot(self, name: SlotName, hparams: Hparams, num_classes: int) -> Slot:
        if name not in _ROOT:
            raise UnknownNameError.of(f"slot of {self.member}", name, _ROOT)
        edge = resolution_of(hparams, self.member, multiple=_SHRINKS)
        weight = self._weight(name, edge, num_classes)
        places = (edge >> _CONV.index(name)) ** 2 if name in _CONV else 1
        return Slot(
            name=name,
            kind=name.partition("_")[0],
            shapes={"weight": weight, "bias": weight[:1]},
            flops=2 * places * math.prod(weight),
            role=Role.HEAD if name == _ROOT[-1] else Role.BODY,
            removable=name in _DENSE,
            resizable=name == _DENSE[0],
        )

    def insertable_slots(self, present: Sequence[SlotName]) -> tuple[tuple[SlotName, int], ...]:
        return ()

    def check(self, names: Sequence[SlotName]) -> None:
        check_stack(names, _ROOT, _DENSE, self.member)

    def _weight(self, name: SlotName, edge: int, num_classes: int) -> tuple[int, ...]:
        channels = (3, *(self.channels << i for i in range(len(_CONV))))
        if name in _CONV:
            i = _CONV.index(name)
            return channels[i + 1], channels[i], KERNEL, KERNEL
        if name == _DENSE[0]:
            return self.width, channels[-1], edge // _SHRINKS, edge // _SHRINKS
        return (self.width if name in _DENSE else num_classes), self.width


_LAYOUTS = (
    ConvnetLayout(member="convnet-tiny-test", channels=4, width=16, edge=16),
    ConvnetLayout(member="convnet-16", channels=16, width=128),
    ConvnetLayout(member="convnet-32", channels=32, width=256),
    ConvnetLayout(member="convnet-64", channels=64, width=512),
)
LAYOUTS: Mapping[str, ConvnetLayout] = {layout.member: layout for layout in _LAYOUTS}
"""By member; the first is tiny and serves tests."""


def layout_of(member: str) -> ConvnetLayout:
    """The structure of `member`; raises UnknownNameError."""
    if member not in LAYOUTS:
        raise UnknownNameError.of("convolutional network", member, LAYOUTS)
    return LAYOUTS[member]


def space_of(member: str) -> Space:
    """One image resolution, that of the data the member is for; raises UnknownNameError."""
    edge = layout_of(member).edge
    values = (8, edge, 24) if member == _LAYOUTS[0].member else (edge,)
    return Space((Choice(name=RESOLUTION, values=values, default=edge),))
