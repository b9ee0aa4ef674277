"""The slots of networks in groups of channels, their sizes and their cost; imports no torch, for agents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from taskgrove.backbones.stacks import RESOLUTION, resolution_of
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.hparams import Choice, Hparams, Space
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import AbstractLayout, Role, Slot

NUM_CONV = 3
KERNEL = 3
HEAD = SlotName("head")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedLayout(AbstractLayout):
    """Three convolutions with max-pooling and ReLU, a dense layer, a head; all but the head in groups.

    A group computes some of its layer's channels from all of the layer below, so that together the groups
    are the layer; each is a component of its own, which tasks share or grow (004, §3, "a group of
    channels"). `conv_1_0` is the first group of the second convolution.

    Attributes:
        member: The registered name.
        channels: Of the first convolution (C); each next one has twice as many.
        width: Of the dense layer (D).
        groups: Of every layer (G); divides C and D.
        edge: Resolution of the images in pixels by default, a multiple of 8.
    """

    member: str
    channels: int
    width: int
    groups: int
    edge: int = 32

    def root_slots(self) -> tuple[SlotName, ...]:
        layers = (*(f"conv_{i}" for i in range(NUM_CONV)), "dense_0")
        groups = (SlotName(f"{layer}_{g}") for layer in layers for g in range(self.groups))
        return (*groups, HEAD)

    def slot(self, name: SlotName, hparams: Hparams, num_classes: int) -> Slot:
        if name not in self.root_slots():
            raise UnknownNameError.of(f"slot of {self.member}", name, self.root_slots())
        edge = resolution_of(hparams, self.member, multiple=2**NUM_CONV)
        weight, places = self._weight(name, edge, num_classes)
        layer, _, group = name.rpartition("_")
        return Slot(
            name=name,
            kind="head" if name == HEAD else f"{layer.partition('_')[0]} {group} of {self.groups}",
            shapes={"weight": weight, "bias": weight[:1]},
            flops=2 * places * math.prod(weight),
            role=Role.HEAD if name == HEAD else Role.BODY,
            resizable=layer == "dense_0",
        )

    def insertable_slots(self, present: Sequence[SlotName]) -> tuple[tuple[SlotName, int], ...]:
        return ()

    def check(self, names: Sequence[SlotName]) -> None:
        if tuple(names) != self.root_slots():
            raise BadValueError(
                f"{list(names)} is not a model of {self.member}: it is {', '.join(self.root_slots())}; "
                "no slot may be left out."
            )

    def _weight(self, name: SlotName, edge: int, num_classes: int) -> tuple[tuple[int, ...], int]:
        """Shape of a slot's weight, and at how many places it is used."""
        channels = (3, *(self.channels << i for i in range(NUM_CONV)))
        if name.startswith("conv"):
            i = int(name.split("_")[1])
            return (channels[i + 1] // self.groups, channels[i], KERNEL, KERNEL), (edge >> i) ** 2
        if name == HEAD:
            return (num_classes, self.width), 1
        left = edge >> NUM_CONV
        return (self.width // self.groups, channels[-1], left, left), 1


_LAYOUTS = (
    GroupedLayout(member="grouped-tiny-test", channels=4, width=16, groups=2, edge=16),
    GroupedLayout(member="grouped-16x4", channels=16, width=128, groups=4),
    GroupedLayout(member="grouped-32x4", channels=32, width=256, groups=4),
)
LAYOUTS: Mapping[str, GroupedLayout] = {layout.member: layout for layout in _LAYOUTS}
"""By member; the first is tiny and serves tests."""


def layout_of(member: str) -> GroupedLayout:
    """The structure of `member`; raises UnknownNameError."""
    if member not in LAYOUTS:
        raise UnknownNameError.of("network in groups", member, LAYOUTS)
    return LAYOUTS[member]


def space_of(member: str) -> Space:
    """One image resolution, that of the data the member is for; raises UnknownNameError."""
    edge = layout_of(member).edge
    values = (8, edge, 24) if member == _LAYOUTS[0].member else (edge,)
    return Space((Choice(name=RESOLUTION, values=values, default=edge),))
