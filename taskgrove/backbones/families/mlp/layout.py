"""The slots of fully connected networks, their sizes and their cost; imports no torch, for agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from taskgrove.backbones.stacks import RESOLUTION, check_stack, resolution_of
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.hparams import Choice, Hparams, Space
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import AbstractLayout, Role, Slot

_DENSE = tuple(SlotName(f"dense_{i}") for i in range(3))
_ROOT = (*_DENSE, SlotName("head"))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MlpLayout(AbstractLayout):
    """Three dense layers with ReLU and the classifier: 004's four-layer network for permuted MNIST.

    `dense_0` reads all pixels; `dense_2` and `dense_1` may be removed, in this order. The head is a slot of
    its own for every task, new for a new one, as in all families. The paper's softmax that all tasks
    share is a head component that the models of several tasks refer to, which an agent may ask for
    wherever the tasks have equally many classes: sharing is by component, not a property of the network.

    Attributes:
        member: The registered name.
        width: Of the dense layers (D).
        edge: Resolution of the images in pixels by default.
        channels: That are read: 3, or 1 for the mean of an image's channels, which is all of a grey one.
    """

    member: str
    width: int
    edge: int
    channels: int = 1

    def root_slots(self) -> tuple[SlotName, ...]:
        return _ROOT

    def slot(self, name: SlotName, hparams: Hparams, num_classes: int) -> Slot:
        if name not in _ROOT:
            raise UnknownNameError.of(f"slot of {self.member}", name, _ROOT)
        edge = resolution_of(hparams, self.member)
        first, head = name == _DENSE[0], name == _ROOT[-1]
        outputs = num_classes if head else self.width
        inputs = (self.channels, edge, edge) if first else (self.width,)
        fan_in = self.channels * edge * edge if first else self.width
        return Slot(
            name=name,
            kind="pixels" if first else "head" if head else "dense",
            shapes={"weight": (outputs, *inputs), "bias": (outputs,)},
            flops=2 * outputs * fan_in,
            role=Role.HEAD if head else Role.BODY,
            removable=not head,
            resizable=first,
        )

    def insertable_slots(self, present: Sequence[SlotName]) -> tuple[tuple[SlotName, int], ...]:
        return ()

    def check(self, names: Sequence[SlotName]) -> None:
        check_stack(names, _ROOT, _DENSE, self.member)


_LAYOUTS = (
    MlpLayout(member="mlp-tiny-test", width=16, edge=8),
    MlpLayout(member="mlp-128", width=128, edge=28),
    MlpLayout(member="mlp-256", width=256, edge=28),
    MlpLayout(member="mlp-512", width=512, edge=28),
    MlpLayout(member="mlp-rgb-512", width=512, edge=32, channels=3),
)
LAYOUTS: Mapping[str, MlpLayout] = {layout.member: layout for layout in _LAYOUTS}
"""By member; the first is tiny and serves tests."""


def layout_of(member: str) -> MlpLayout:
    """The structure of `member`; raises UnknownNameError."""
    if member not in LAYOUTS:
        raise UnknownNameError.of("MLP", member, LAYOUTS)
    return LAYOUTS[member]


def space_of(member: str) -> Space:
    """One image resolution, that of the data the member is for; raises UnknownNameError."""
    edge = layout_of(member).edge
    values = (edge, 12, 16) if member == _LAYOUTS[0].member else (edge,)
    return Space((Choice(name=RESOLUTION, values=values, default=edge),))
