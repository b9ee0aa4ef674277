"""Probes: what each layer of a network makes of some images, as inner products of its activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations_with_replacement

import torch
from torch import Tensor

from taskgrove.backbones.assemble import Network
from taskgrove.domain.ids import SlotName
from taskgrove.trainer.similarity.base import AbstractDissimilarity
from taskgrove.trainer.similarity.gram import Gram

Batch = Callable[[slice], Tensor]
"""The prepared images of some samples, as the network takes them."""

NOTHING: Mapping[SlotName, Gram] = {}
"""No layer's inner products are known."""


def grams(
    network: Network,
    batch: Batch,
    num_samples: int,
    at_once: int,
    device: torch.device,
    known: Mapping[SlotName, Gram] = NOTHING,
) -> Mapping[SlotName, Gram]:
    """Inner products of every two samples' activations, after every layer.

    Activations of `2 · at_once` samples after one layer are in memory at a time, however many samples
    and activations there are; what does not fit is computed again for each pair of tiles.

    Args:
        network: Computes in the dtype of its tensors, without autograd.
        batch: Gives images.
        num_samples: How many, at least 3.
        at_once: Samples of a tile.
        device: Where everything is.
        known: Of some layers, from an earlier call; nothing is computed above the last of the others.
    """
    names = [slot.name for slot in network.slots]
    found = {name: known[name] if name in known else Gram(num_samples, device) for name in names}
    layers = list(zip(network.family.chain(network.slots), network.slots, strict=True))
    while layers and layers[-1][1].name in known:
        layers.pop()
    starts = range(0, num_samples, at_once) if layers else ()
    with torch.inference_mode():
        for row, column in combinations_with_replacement(starts, 2):
            at_rows, at_columns = (slice(at, min(at + at_once, num_samples)) for at in (row, column))
            x = batch(at_rows)
            y = x if row == column else batch(at_columns)
            for layer, slot in layers:
                x, y = _both(partial(layer.apply, network.tensors(slot.name)), x, y)
                if slot.name in known:
                    continue
                found[slot.name].add_tile(row, layer.own(x), column, layer.own(y))
    return found


def _both(function: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    done = function(x)
    return done, done if y is x else function(y)


def conflicts(
    one: Mapping[SlotName, Gram], other: Mapping[SlotName, Gram], measure: AbstractDissimilarity
) -> Mapping[SlotName, float]:
    """Dissimilarity of each layer that both have."""
    shared: Sequence[SlotName] = [slot for slot in one if slot in other]
    return {slot: measure.between(one[slot], other[slot]) for slot in shared}
