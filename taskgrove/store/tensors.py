"""Tensors as bytes: safetensors without metadata, so that equal tensors give equal blobs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from taskgrove.domain.errors import StoreCorruptError


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """The bytes of named tensors; they do not depend on order, device, strides or shared memory."""
    return save({name: _plain(tensor) for name, tensor in tensors.items()})


def unpack(data: bytes) -> dict[str, Tensor]:
    """The tensors that `pack` was given, on the CPU.

    Raises:
        StoreCorruptError: The bytes are not a safetensors file.
    """
    try:
        return load(data)
    except SafetensorError as error:
        raise StoreCorruptError(
            f"{len(data)} bytes are not a safetensors file ({error}); fetch the blob again or restore it."
        ) from error


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
