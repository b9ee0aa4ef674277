"""Loading, describing and reloading tasks, and every way in which data is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from taskgrove.domain.errors import BadValueError, TaskDataError, UnknownNameError
from taskgrove.domain.ids import TaskName
from taskgrove.tasks.load import (
    describe,
    fingerprint,
    load_task,
    reload,
)
from taskgrove.tasks.roles import resolve_splits
from taskgrove.tasks.sources import parse_source
from taskgrove.tasks.sources.arrays import arrays

NAME = TaskName("small")
PLAIN = {"train": "train[2:]", "val": "train[:2]", "test": "test"}


def images(count: int, start: int = 0) -> NDArray[np.uint8]:
    return (np.arange(count * 9).reshape(count, 3, 3) + start).astype(np.uint8)


def write(path: Path, **changes: NDArray[Any]) -> str:
    labels = np.array([0, 1, 0, 1, 0, 1])
    content = {"x_train": images(6), "y_train": labels, "x_test": images(4, 99), "y_test": labels[:4]}
    np.savez(path / "small.npz", **{**content, **changes})  # type: ignore[arg-type]
    return f"npz:{path / 'small.npz'}"


def test_a_task_is_cut_as_asked(tmp_path: Path) -> None:
    task = load_task(write(tmp_path), PLAIN)
    assert [len(task.train), len(task.val), len(task.test)] == [4, 2, 4]
    np.testing.assert_array_equal(task.val.images, images(6)[:2, ..., None])
    assert task.class_names == ("0", "1")


def test_without_splits_the_defaults_are_used(tmp_path: Path) -> None:
    task = load_task(write(tmp_path))
    assert [len(task.train), len(task.val), len(task.test)] == [5, 1, 4]


def test_the_specification_describes_the_data_and_brings_it_back(tmp_path: Path) -> None:
    source = write(tmp_path)
    task = load_task(source, PLAIN)
    spec = describe(NAME, source, PLAIN, task)
    assert spec.sizes == {"train": 4, "val": 2, "test": 4}
    assert (spec.image_shape, spec.num_classes, spec.source) == ((3, 3, 1), 2, source)
    assert fingerprint(reload(spec)) == spec.fingerprint


def test_changed_data_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path)
    spec = describe(NAME, source, PLAIN, load_task(source, PLAIN))
    write(tmp_path, x_test=images(4, 98))
    with pytest.raises(TaskDataError, match=r"'small' has changed.*Restore the data"):
        reload(spec)


@pytest.mark.parametrize("change", ["image", "label", "cut", "shape"])
def test_the_fingerprint_sees_every_change(change: str, tmp_path: Path) -> None:
    before = fingerprint(load_task(write(tmp_path), PLAIN))
    changes: dict[str, NDArray[Any]] = {}
    if change == "image":
        changes["x_train"] = np.where(images(6) == 7, 8, images(6)).astype(np.uint8)
    if change == "label":
        changes["y_test"] = np.array([0, 1, 1, 1])
    if change == "shape":
        changes = {"x_train": images(6).reshape(6, 1, 9), "x_test": images(4, 99).reshape(4, 1, 9)}
    splits = {**PLAIN, "val": "train[:1]"} if change == "cut" else PLAIN
    assert fingerprint(load_task(write(tmp_path, **changes), splits)) != before


def test_arrays_come_back_from_their_blob() -> None:
    data = arrays(images(20), ["cat", "dog"] * 10)
    splits = resolve_splits(data.raw)
    task = load_task(data.source, splits, blob=data.packed)
    spec = describe(NAME, data.source, splits, task)
    assert spec.class_names == ("cat", "dog")
    assert fingerprint(reload(spec, data.packed)) == spec.fingerprint
    with pytest.raises(TaskDataError, match="store"):
        reload(spec)


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path)
    with pytest.raises(BadValueError, match="cannot name a task"):
        describe(TaskName("a b"), source, PLAIN, load_task(source, PLAIN))


def test_a_task_with_shared_images_can_be_reloaded(tmp_path: Path) -> None:
    source = write(tmp_path)
    splits = {"train": "train", "val": "train", "test": "test"}
    spec = describe(NAME, source, splits, load_task(source, splits, allow_overlap=True))
    assert len(reload(spec).val) == 6


@pytest.mark.parametrize(
    ("source", "hint"),
    [("mnist.npz", "Did you mean 'npz:mnist.npz'"), ("digits", r"Known sources: arrays:…, folder:…")],
)
def test_a_source_without_colon_is_explained(source: str, hint: str) -> None:
    with pytest.raises(TaskDataError, match=hint):
        parse_source(source)


def test_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"'glyph'.*Did you mean 'glyphs'"):
        parse_source("glyph:greek")
    source, argument = parse_source("npz:C:/data/x.npz")
    assert (source.name, argument) == ("npz", "C:/data/x.npz")
