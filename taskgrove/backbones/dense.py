"""Dense layers, the first of which may read a whole grid: what MLPs and convolutional networks share.

Shape suffixes: B batch, C channels, S edge of a square grid, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from taskgrove.backbones.base import Tensors
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.layout import Role, Slot


def initialise(slot: Slot, generator: Generator) -> dict[str, Tensor]:
    """New float32 tensors `weight` and `bias` on the generator's device; all zeros for a head.

    Weights are normal of variance 2 / fan-in, made for layers before a ReLU (He et al., 2015).
    """
    tensors = {name: torch.zeros(shape, device=generator.device) for name, shape in slot.shapes.items()}
    if slot.role is not Role.HEAD:
        std = math.sqrt(2 / math.prod(slot.shapes["weight"][1:]))
        tensors["weight"].normal_(0.0, std, generator=generator)
    return tensors


def dense(tensors: Tensors, x: Tensor) -> Tensor:
    """(B, D) from (B, C, S, S) with a weight (D, C, S, S), or from (B, C) with a weight (D, C)."""
    return functional.linear(x.flatten(1), tensors["weight"].flatten(1), tensors["bias"])


def resample(slot: Slot, tensors: Tensors) -> dict[str, Tensor]:
    """The tensors of a layer that reads a grid, for a grid of the slot's size.

    Weights are interpolated like images (bilinear, pixel centres aligned) and scaled with the number of
    cells, so that a picture gives about the same output at another resolution.

    Raises:
        BadValueError: The slot reads no grid, or the component is not of its width and channels.
    """
    if not slot.resizable:
        raise BadValueError(
            f"{slot.name} cannot be resized: only a layer that reads a whole grid depends on the size."
        )
    weight_DCSS, (*wanted, edge) = tensors["weight"], slot.shapes["weight"][:3]
    if list(weight_DCSS.shape[:2]) != wanted:
        raise BadValueError(
            f"{slot.name} is for {wanted[1]} channels and {wanted[0]} outputs, the component for "
            f"{weight_DCSS.shape[1]} and {weight_DCSS.shape[0]}: it belongs to a model of another size, and "
            "only the resolution can be changed."
        )
    if (before := weight_DCSS.shape[-1]) == edge:
        return {name: tensor.clone() for name, tensor in tensors.items()}
    resized = functional.interpolate(weight_DCSS, (edge, edge), mode="bilinear", align_corners=False)
    return {"weight": resized * (before / edge) ** 2, "bias": tensors["bias"].clone()}
