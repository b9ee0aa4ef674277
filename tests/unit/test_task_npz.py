"""NumPy files: what is read from them, and what is wrong with others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.sources.npz import NpzSource
from taskgrove.tasks.splits import cut


def images(count: int) -> NDArray[np.uint8]:
    return np.arange(count * 4, dtype=np.uint8).reshape(count, 2, 2)


def npz(folder: Path, content: Mapping[str, NDArray[Any]]) -> str:
    np.savez(folder / "data.npz", **content)  # type: ignore[arg-type]
    return str(folder / "data.npz")


def test_npz_reads_splits_columns_indices_and_names(tmp_path: Path) -> None:
    path = npz(
        tmp_path,
        {
            "x_train": images(3),
            "y_train": np.array([0, 1, 2], np.int16),
            "drawer_train": np.array([1, 2, 3]),
            "x_test": images(2),
            "y_test": np.array([2, 3]),
            "drawer_test": np.array([3, 4]),
            "small_index_in_train": np.array([2, 0]),
            "class_names": np.array(["a", "b", "c", "d"]),
            "note": np.array("ignored"),
            "latents_test": np.zeros((2, 6)),
        },
    )
    raw = NpzSource().load(path)
    assert raw.class_names == ("a", "b", "c", "d")
    assert {name: split.labels.tolist() for name, split in raw.splits.items()} == {
        "all": [0, 1, 2, 2, 3],
        "train": [0, 1, 2],
        "test": [2, 3],
        "small": [2, 0],
    }
    assert cut(raw, "all[drawer=3..4]").labels.tolist() == [2, 2, 3]
    assert cut(raw, "small[drawer=1]").labels.tolist() == [0]
    assert np.shares_memory(raw.splits["all"].images, raw.splits["train"].images)


def test_npz_with_a_single_split(tmp_path: Path) -> None:
    raw = NpzSource().load(npz(tmp_path, {"x_all": images(2), "y_all": np.array([0, 1])}))
    assert list(raw.splits) == ["all"]


def test_npz_with_prefixes(tmp_path: Path) -> None:
    path = npz(
        tmp_path,
        {
            "greek/x_train": images(2),
            "greek/y_train": np.array([0, 1]),
            "greek/chars": np.array(["α", "β"]),
            "latin/x_train": images(1),
            "latin/y_train": np.array([0]),
        },
    )
    assert NpzSource().load(f"{path}#greek").class_names == ("α", "β")
    with pytest.raises(TaskDataError, match="Known: greek, latin"):
        NpzSource().load(path)
    with pytest.raises(UnknownNameError, match="Did you mean 'greek'"):
        NpzSource().load(f"{path}#grek")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": images(2)}, "no array x_train or x_all"),
        ({"x_train": images(2)}, "no y_train"),
        ({"x_train": images(2), "y_train": np.array([0])}, "2 images but 1 labels"),
        ({"x_train": images(2), "y_train": np.array([0.0, 1.0])}, "The labels of train of"),
        ({"x_train": images(2) / 255, "y_train": np.array([0, 1])}, "The images of train of"),
        ({"x_train": images(2), "y_train": np.array([0, 5]), "class_names": np.array(["a"])}, "class names"),
        ({"x_train": images(1), "y_train": np.array([0]), "s_index_in_train": np.array([1])}, "points to"),
        ({"x_train": images(1), "y_train": np.array([0]), "s_index_in_train": np.array([0.5])}, "whole"),
        (
            {
                "x_train": images(1),
                "y_train": np.array([0]),
                "x_test": images(1)[:, :1],
                "y_test": np.array([0]),
            },
            "mixes image shapes",
        ),
    ],
)
def test_npz_explains_what_is_wrong(content: dict[str, NDArray[Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(TaskDataError, match=message):
        NpzSource().load(npz(tmp_path, content))


def test_npz_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("hello")
    np.save(tmp_path / "single.npy", images(1))
    whole = Path(npz(tmp_path, {"x_train": images(2), "y_train": np.array([0, 1])})).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    damaged = whole[:200] + bytes([whole[200] ^ 255]) + whole[201:]
    (tmp_path / "damaged.npz").write_bytes(damaged)
    np.savez_compressed(tmp_path / "z.npz", x_train=np.zeros((99, 2, 2), np.uint8), y_train=np.arange(99))
    packed = (tmp_path / "z.npz").read_bytes()
    (tmp_path / "z.npz").write_bytes(packed[:60] + b"\xff" * 20 + packed[80:])
    objects = {"x_train": np.array([{}], object), "y_train": np.array([0])}
    np.savez(tmp_path / "objects.npz", **objects)  # type: ignore[arg-type]
    for name in (
        "text.npz",
        "single.npy",
        "half.npz",
        "damaged.npz",
        "z.npz",
        "objects.npz",
        "none.npz",
        ".",
    ):
        with pytest.raises(TaskDataError, match=r"\.npz|\.npy|NumPy"):
            NpzSource().load(str(tmp_path / name))
