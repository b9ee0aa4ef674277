"""Tensors become the same bytes whenever they are equal, and come back as they were."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from taskgrove.domain.errors import StoreCorruptError
from taskgrove.store.tensors import pack, unpack

TENSORS = {
    "weight": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "steps": torch.tensor(7),
    "empty": torch.zeros(0, 3),
    "mask": torch.tensor([True, False]),
}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[k].dtype == other[k].dtype and one[k].shape == other[k].shape and torch.equal(one[k], other[k])
        for k in one
    )


def test_tensors_come_back_as_they_were() -> None:
    assert same(unpack(pack(TENSORS)), TENSORS)
    assert unpack(pack({})) == {}


def test_bytes_depend_on_names_and_values_only() -> None:
    backwards = dict(reversed(TENSORS.items()))
    strided = {**TENSORS, "weight": TENSORS["weight"].t().contiguous().t()}
    trained = {**TENSORS, "weight": TENSORS["weight"].clone().requires_grad_()}
    assert pack(backwards) == pack(strided) == pack(trained) == pack(TENSORS)


def test_tensors_of_one_memory_are_packed_apart() -> None:
    whole = torch.arange(4.0)
    back = unpack(pack({"all": whole, "again": whole, "part": whole[1:3]}))
    assert same(back, {"all": whole, "again": whole.clone(), "part": torch.tensor([1.0, 2.0])})


def test_unpacked_tensors_may_be_written() -> None:
    data = pack(TENSORS)
    unpack(data)["weight"].add_(1.0)
    assert same(unpack(data), TENSORS)


@pytest.mark.parametrize("data", [b"", b"short", b"\xff" * 64, pack(TENSORS)[:-1]])
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(StoreCorruptError, match="not a safetensors file"):
        unpack(data)
