"""Arrays given in Python, packed for the store and unpacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.sources.arrays import arrays, pack_arrays, unpack_arrays
from taskgrove.tasks.sources.npz import NpzSource
from taskgrove.tasks.splits import cut


def images(count: int) -> NDArray[np.uint8]:
    return np.arange(count * 4, dtype=np.uint8).reshape(count, 2, 2)


def test_arrays_take_integers_or_strings() -> None:
    assert arrays(images(3), [0, 2, 1]).raw.class_names == ("0", "1", "2")
    named = arrays(images(3), ["b", "a", "b"], x_val=images(1), y_val=["c"])
    assert named.raw.class_names == ("a", "b", "c")
    assert named.raw.splits["train"].labels.tolist() == [1, 0, 1]
    given = arrays(images(2), np.array(["b", "a"], object), class_names=["b", "a"])
    assert given.raw.splits["train"].labels.tolist() == [0, 1]
    with pytest.raises(UnknownNameError, match="no class named 'c'"):
        arrays(images(1), ["c"], class_names=["a", "b"])


def test_arrays_refuse_half_a_split() -> None:
    with pytest.raises(TaskDataError, match="x_test and y_test belong together"):
        arrays(images(2), [0, 1], x_test=images(2))
    with pytest.raises(TaskDataError, match="one-hot"):
        arrays(images(2), np.eye(2))


def test_packed_arrays_are_equal_bytes_and_come_back_equal() -> None:
    one, other = (arrays(images(4), ["ä", "b"] * 2, x_test=images(1), y_test=["b"]) for _ in range(2))
    assert one.packed == other.packed
    assert one.source == other.source != arrays(images(4), ["ä", "c"] * 2).source
    back = unpack_arrays(one.packed)
    assert back.class_names == ("b", "ä")
    np.testing.assert_array_equal(back.splits["test"].images, one.raw.splits["test"].images)
    assert back.splits["train"].images.flags.writeable


def test_columns_are_packed_too(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, x_all=images(2), y_all=np.array([0, 1]), drawer_all=np.array([4, 5]))
    back = unpack_arrays(pack_arrays(NpzSource().load(str(path))))
    assert cut(back, "all[drawer=5]").labels.tolist() == [1]


@pytest.mark.parametrize("packed", [b"", b"hello, this is no safetensors file"])
def test_other_bytes_are_not_packed_arrays(packed: bytes) -> None:
    with pytest.raises(TaskDataError, match="not packed arrays"):
        unpack_arrays(packed)
