"""The vision transformers as a family: structure, initial tensors, forward pass, foreign weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from torch import Generator, Tensor

from taskgrove.backbones.base import AbstractFamily, Layer, Tensors
from taskgrove.backbones.families.vit.export import write_weights
from taskgrove.backbones.families.vit.initial import initialise
from taskgrove.backbones.families.vit.layers import LAYERS, block_for_class_token
from taskgrove.backbones.families.vit.layout import ADAPTER_SPACE, VitLayout
from taskgrove.backbones.families.vit.members import LAYOUTS, layout_of, space_of
from taskgrove.backbones.families.vit.positions import resample
from taskgrove.backbones.families.vit.weights import read_weights
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import Space
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import Slot


@final
class VitFamily(AbstractFamily):
    """Vision transformers with a class token, pre-norm blocks and one square patch size."""

    @property
    def name(self) -> str:
        return "vit"

    @property
    def members(self) -> Sequence[str]:
        return tuple(LAYOUTS)

    def layout(self, member: str) -> VitLayout:
        return layout_of(member)

    def space(self, member: str) -> Space:
        return space_of(member)

    def insertion_space(self, member: str) -> Space:
        layout_of(member)
        return ADAPTER_SPACE

    def init(self, slot: Slot, generator: Generator) -> dict[str, Tensor]:
        return initialise(slot, generator)

    def resize(self, slot: Slot, tensors: Tensors) -> dict[str, Tensor]:
        if not slot.resizable:
            raise BadValueError(
                f"{slot.name} cannot be resized: of a vision transformer only the position embedding can."
            )
        num_tokens, width = slot.shapes["embedding"]
        positions_TD = tensors["embedding"]
        if positions_TD.shape[-1] != width:
            raise BadValueError(
                f"{slot.name} has width {width}, the component {positions_TD.shape[-1]}: it belongs to "
                "a model of another size, and only the resolution can be changed."
            )
        return {"embedding": resample(positions_TD, num_tokens)}

    def apply(self, slot: Slot, tensors: Tensors, x: Tensor) -> Tensor:
        return LAYERS[slot.kind](tensors, x)

    def chain(self, slots: Sequence[Slot]) -> tuple[Layer, ...]:
        """The norm reads the class token alone, so the block right below it computes nothing else."""
        kinds = [slot.kind for slot in slots]
        layers = [Layer(kind, LAYERS[kind]) for kind in kinds]
        for i, above in enumerate(kinds[1:]):
            if kinds[i] == "block" and above == "norm":
                layers[i] = Layer("block for class token", block_for_class_token)
        return tuple(layers)

    def read_weights(self, path: Path, member: str) -> dict[SlotName, dict[str, Tensor]]:
        return read_weights(path, layout_of(member))

    def write_weights(self, components: Mapping[SlotName, Tensors], member: str) -> bytes:
        return write_weights(components, layout_of(member))
