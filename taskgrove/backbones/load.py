"""A stored model as a network: what the trainer evaluates and serving predicts with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from taskgrove.backbones.assemble import Network, assemble
from taskgrove.backbones.families import family_of
from taskgrove.domain.ids import BlobId
from taskgrove.domain.records import Model


def load_model(
    model: Model,
    fetch: Callable[[BlobId], dict[str, Tensor]],
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> Network:
    """The network of a published model, all frozen, in evaluation mode.

    Args:
        model: Names the backbone and the components.
        fetch: Gives a component's tensors by id.
        dtype: In which it computes.
        device: Where it computes; the CPU by default.

    Raises:
        UnknownNameError: No installed family has the model's backbone.
        StoreCorruptError: From `fetch`, when a component is damaged.
    """
    family = family_of(model.member)
    layout = family.layout(model.member)
    slots = [layout.slot(c.slot, model.hparams, model.num_classes) for c in model.components]
    tensors = {
        c.slot: {name: t.to(device=device, dtype=dtype) for name, t in fetch(BlobId(c.id)).items()}
        for c in model.components
    }
    return assemble(family, slots, tensors).eval()
