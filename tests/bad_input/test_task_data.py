"""Tasks whose arrays, labels or splits cannot be learned from are refused before anything is stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.bad_input.refusals import Arrays, Case, Prepare, assert_refused, good_arrays, nothing, save_npz

Change = Callable[[NDArray[Any]], NDArray[Any]]
GOOD = "task add grove x npz:good.npz"


def holding(data: bytes) -> Prepare:
    def prepare(folder: Path) -> None:
        (folder / "bad.npz").write_bytes(data)

    return prepare


def npz(change: Callable[[Arrays], object]) -> Prepare:
    def prepare(folder: Path) -> None:
        arrays = good_arrays()
        change(arrays)
        save_npz(folder / "bad.npz", arrays)

    return prepare


def changed(key: str, change: Change) -> Prepare:
    return npz(lambda arrays: arrays.update({key: change(arrays[key])}))


def all_changed(letter: str, change: Change) -> Prepare:
    return npz(lambda arrays: arrays.update({k: change(v) for k, v in arrays.items() if k[0] == letter}))


def damaged_zip(folder: Path) -> None:
    """The compression method of the first array is one that no program knows."""
    save_npz(folder / "bad.npz", good_arrays())
    data = bytearray((folder / "bad.npz").read_bytes())
    data[data.index(b"PK\x01\x02") + 10] = 77
    (folder / "bad.npz").write_bytes(bytes(data))


def with_nan(images: NDArray[Any]) -> NDArray[Any]:
    floats = images.astype(np.float32)
    floats[0, 0, 0] = np.nan
    return floats


def one_negative(labels: NDArray[Any]) -> NDArray[Any]:
    return np.where(np.arange(len(labels)) == 0, -1, labels)


def data_case(id: str, prepare: Prepare, names: str, advice: str) -> Case:
    return Case(
        id=id,
        command="task add grove x npz:bad.npz",
        kind="task_data",
        names=names,
        advice=advice,
        prepare=prepare,
    )


FILES = [
    data_case("missing file", nothing, "bad.npz", "There is no file .* check the path"),
    data_case("text file", holding(b"label,pixel\n1,2\n"), "bad.npz", "not a NumPy file"),
    data_case("empty file", holding(b""), "bad.npz", "not a NumPy file"),
    data_case("truncated file", holding(b"PK\x03\x04half"), "bad.npz", "not a NumPy file"),
    data_case("unknown compression", damaged_zip, "bad.npz", "not a NumPy file"),
    data_case("pickled objects", changed("x_val", lambda x: x.astype(object)), "bad.npz", "not a NumPy file"),
    data_case("no images", npz(lambda a: [a.pop(k) for k in list(a) if k[0] == "x"]), "x_train", "keys are"),
    data_case("no labels", npz(lambda a: a.pop("y_train")), "y_train", "has x_train but no y_train"),
]
ARRAYS = [
    data_case(
        "lengths differ", changed("y_train", lambda y: y[:-1]), "40 images but 39 labels", "exactly one"
    ),
    data_case(
        "float images", changed("x_train", lambda x: x / 255), "images of train", r"Convert with: \(x \*"
    ),
    data_case(
        "int16 images", changed("x_val", lambda x: x.astype("int16")), "int16", "Convert with: x.round"
    ),
    data_case("not a number", changed("x_test", with_nan), "NaN", "find out where they come from"),
    data_case("flat images", all_changed("x", lambda x: x.reshape(-1, 64)), "(40, 64)", "x.reshape"),
    data_case("four channels", all_changed("x", lambda x: np.stack([x] * 4, -1)), "(40, 8, 8, 4)", "drop it"),
    data_case(
        "channels first", all_changed("x", lambda x: np.stack([x] * 3, 1)), "(40, 3, 8, 8)", "x.transpose"
    ),
    data_case(
        "shapes differ", changed("x_val", lambda x: x[:, :4]), "mixes image shapes", "Resize all images"
    ),
    data_case("negative label", changed("y_train", one_negative), "label -1", "unlabelled .* drop them"),
    data_case("float labels", changed("y_train", lambda y: y * 1.0), "float64", r"Convert with: y.astype"),
    data_case(
        "one-hot labels", changed("y_train", lambda y: np.eye(3)[y.astype(int)]), "(40, 3)", "y.argmax"
    ),
    data_case("text labels", changed("y_train", lambda y: y.astype(str)), "<U21", "integer labels from 0"),
    data_case("one class", changed("y_train", np.zeros_like), "a single class", "nothing to tell apart"),
    data_case(
        "labels of val unknown to train",
        changed("y_val", lambda y: y + np.full(len(y), 7)),
        "No image of val = 'val' is of a class in train = 'train'",
        "Cut both from a split that holds all classes",
    ),
    data_case(
        "label without a class name",
        npz(lambda arrays: arrays.update(class_names=np.array(["cat", "dog"]))),
        "has the label 2 but 2 class names",
        "labels 0 .. 1",
    ),
]


def split_case(id: str, options: str, kind: str, names: str, advice: str) -> Case:
    return Case(id=id, command=f"{GOOD} {options}", kind=kind, names=names, advice=advice)


SPLITS = [
    split_case("empty split", "--train 'train[:0]'", "task_data", "'train[:0]'", "names no image"),
    split_case("unknown split", "--val valid", "unknown_name", "'valid'", "Did you mean 'val'"),
    split_case("unknown column", "--val 'val[drawer=1]'", "unknown_name", "'drawer'", "Known:"),
    split_case("bad split syntax", "--train 'train[5:'", "task_data", "'train[5:'", "write 'train', 'train"),
    split_case("bad bracket", "--train 'train[half]'", "task_data", "'[half]'", r"write 'train', 'train"),
    split_case("beyond 100 percent", "--train 'train[:200%]'", "task_data", "200%", "beyond 100 percent"),
    split_case(
        "overlapping splits",
        "--train 'train[:30]' --val 'train[20:]'",
        "task_data",
        "share 10 images",
        "Cut them apart, .* --allow-overlap",
    ),
]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("case", FILES + ARRAYS + SPLITS, ids=lambda case: case.id)
def test_data_that_cannot_be_learned_is_refused(case: Case) -> None:
    assert_refused(case)
