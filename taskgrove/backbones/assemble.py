"""Models from components and back: `split(assemble(x)) == x` for every family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from taskgrove.backbones.base import AbstractFamily, Tensors
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import Slot


class Network(nn.Module):
    """A sequence of slots with their tensors; trainable ones are parameters that require a gradient.

    Args:
        family: Gives the forward pass of each slot.
        slots: In the order in which data flows.
        components: Tensors by slot; frozen ones may be shared between networks, they are never written.
        trainable: Slots whose tensors receive gradients.
    """

    def __init__(
        self,
        family: AbstractFamily,
        slots: Sequence[Slot],
        components: Mapping[SlotName, Tensors],
        trainable: frozenset[SlotName] = frozenset(),
    ) -> None:
        super().__init__()
        self.family = family
        self.slots = tuple(slots)
        self.trainable = trainable
        self.components = nn.ModuleDict(
            {
                slot.name: nn.ParameterDict(
                    {
                        name: nn.Parameter(components[slot.name][name], requires_grad=slot.name in trainable)
                        for name in slot.shapes
                    }
                )
                for slot in slots
            }
        )

    def tensors(self, slot: SlotName) -> dict[str, nn.Parameter]:
        """The parameters of one slot by name."""
        return dict(self.components[slot].named_parameters())

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Logits (B, K) of images (B, 3, H, W) in [-1, 1], computed in the images' dtype."""
        x = images_BCHW
        for slot in self.slots:
            tensors = {name: p.to(x.dtype) for name, p in self.tensors(slot.name).items()}
            x = self.family.apply(slot, tensors, x)
        return x


def assemble(
    family: AbstractFamily,
    slots: Sequence[Slot],
    components: Mapping[SlotName, Tensors],
    trainable: frozenset[SlotName] = frozenset(),
) -> Network:
    """A network that computes with the given components."""
    return Network(family, slots, components, trainable)


def split(network: Network) -> dict[SlotName, dict[str, Tensor]]:
    """The components of a network, detached, in its order."""
    return {
        slot.name: {name: p.detach() for name, p in network.tensors(slot.name).items()}
        for slot in network.slots
    }
