"""Tensors as bytes: safetensors without metadata, so that equal tensors give equal blobs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save
from torch import Tensor

from taskgrove.domain.errors import StoreCorruptError
from taskgrove.domain.ids import BlobId
from taskgrove.store.store import Store


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


def read_tensors(store: Store, blob: BlobId) -> dict[str, Tensor]:
    """The tensors of a blob, on the CPU; mapped from this machine's own copy where there is one.

    Raises:
        StoreCorruptError: The blob is missing, damaged, or not a safetensors file.
    """
    path = store.blob_file(blob)
    if path is not None:
        with suppress(OSError, SafetensorError):  # another process has made room; the store still has it
            return load_file(path)
    return unpack(store.get_blob(blob))


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
