"""A child's layers as functions with the tensors that they read, cut at the lowest trainable one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from taskgrove.backbones.assemble import Network
from taskgrove.backbones.base import Layer, Tensors
from taskgrove.trainer.learner import State

Chain = Sequence[tuple[Layer, Tensors]]


def chains_of(network: Network, trainable: State) -> tuple[Chain, Chain]:
    """The frozen layers below the lowest trainable one, and all others.

    Args:
        network: Gives the layers, and the tensors of those that are frozen.
        trainable: What the other layers read.
    """
    names = [slot.name for slot in network.slots]
    layers = network.family.chain(network.slots)
    chain = [
        (layer, trainable[name] if name in trainable else network.tensors(name))
        for layer, name in zip(layers, names, strict=True)
    ]
    lowest = next(i for i, name in enumerate(names) if name in trainable)
    return chain[:lowest], chain[lowest:]


def chain_of(network: Network) -> Chain:
    """All layers of a network of which none is trainable."""
    layers = network.family.chain(network.slots)
    return [(layer, network.tensors(slot.name)) for layer, slot in zip(layers, network.slots, strict=True)]


def through(chain: Chain, x: Tensor) -> Tensor:
    """The output of a chain."""
    for layer, tensors in chain:
        x = layer.apply(tensors, x)
    return x


def through_again(chain: Chain, x: Tensor) -> Tensor:
    """The output of a chain, of which only what flows between layers is kept for the backward pass.

    That computes each layer once more, to the same bits on a CPU.
    """
    for layer, tensors in chain:
        x = checkpoint(layer.apply, tensors, x, use_reentrant=False, preserve_rng_state=False)
    return x
