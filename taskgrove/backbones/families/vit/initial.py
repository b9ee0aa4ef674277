"""Initial tensors, as in the Flax implementation of AugReg (Steiner et al., 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor, nn

from taskgrove.domain.layout import Slot

Initialiser = Callable[[Tensor, Generator], Tensor]

_TRUNCATED_STD = 0.87962566103423978
"""Standard deviation of a standard normal cut off at ±2."""


def initialise(slot: Slot, generator: Generator) -> dict[str, Tensor]:
    """New float32 tensors for `slot` on the generator's device; zero where nothing else is listed."""
    chosen = _INITIALISERS.get(slot.kind, {})
    zeros = {name: torch.zeros(shape, device=generator.device) for name, shape in slot.shapes.items()}
    return {name: chosen[name](t, generator) if name in chosen else t for name, t in zeros.items()}


def _ones(tensor: Tensor, generator: Generator) -> Tensor:  # noqa: ARG001 - an initialiser's signature
    return tensor.fill_(1.0)


def _normal(std: float) -> Initialiser:
    return lambda tensor, generator: tensor.normal_(0.0, std, generator=generator)


def _lecun_normal(tensor: Tensor, generator: Generator) -> Tensor:
    """Truncated normal of variance 1 / fan-in; the first axis is the output."""
    std = math.prod(tensor.shape[1:]) ** -0.5 / _TRUNCATED_STD
    return nn.init.trunc_normal_(tensor, std=std, a=-2 * std, b=2 * std, generator=generator)


def _xavier_uniform(tensor: Tensor, generator: Generator) -> Tensor:
    """Uniform of variance 2 / (fan-in + fan-out); the last axis is the input."""
    fan_in, fan_out = tensor.shape[-1], math.prod(tensor.shape[-3:-1])
    bound = math.sqrt(6 / (fan_in + fan_out))
    return tensor.uniform_(-bound, bound, generator=generator)


_INITIALISERS: Mapping[str, Mapping[str, Initialiser]] = {
    "embedding": {"weight": _lecun_normal},
    "pos": {"embedding": _normal(0.02)},
    "block": {
        "norm1_weight": _ones,
        "qkv_weight": _xavier_uniform,
        "proj_weight": _xavier_uniform,
        "norm2_weight": _ones,
        "fc1_weight": _xavier_uniform,
        "fc1_bias": _normal(1e-6),
        "fc2_weight": _xavier_uniform,
        "fc2_bias": _normal(1e-6),
    },
    "adapter": {"norm_weight": _ones, "down_weight": _lecun_normal},
    "norm": {"weight": _ones},
}
"""By kind of slot and tensor; queries, keys and values count as three matrices."""
