"""Vision transformers as weights files with timm's names; the reverse of `weights`."""

from __future__ import annotations

from collections.abc import Mapping

from safetensors.torch import save

from taskgrove.backbones.base import Tensors
from taskgrove.backbones.families.vit.foreign import TIMM
from taskgrove.backbones.families.vit.layout import VitLayout
from taskgrove.domain.ids import SlotName


def write_weights(components: Mapping[SlotName, Tensors], layout: VitLayout) -> bytes:
    """A safetensors file in the dtype of the tensors, without the head.

    Args:
        components: Tensors by slot.
        layout: Of the member.
    """
    # timm's file and a component differ in the axes of length 1 alone.
    tensors = {
        name: components[SlotName(source.slot)][source.tensor].reshape(source.shape).cpu().contiguous()
        for source in TIMM.sources(layout)
        for name in source.names
    }
    return save(tensors, metadata={"member": layout.member})
