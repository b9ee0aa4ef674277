"""Arrays that nobody could learn from are refused, with the way to convert them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.checks import as_images, as_labels, as_raw, as_split


def images(count: int) -> NDArray[np.uint8]:
    return np.zeros((count, 3, 3), np.uint8)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 3)), r"float64 from 0 to 1. Convert with: \(x \* 255\)"),
        (np.full((2, 3, 3), 255.0), r"float64 from 255.0 to 255.0. Convert with: x.round"),
        (np.full((2, 3, 3), np.nan), "NaN"),
        (np.full((2, 3, 3), -5), "from -5 to -5. Scale"),
        (np.ones((2, 3, 3), bool), "bool from 0 to 1"),
        (np.array(["a"]), "got <U1"),
        (np.zeros((0, 3, 3)), "got float64"),
        (np.zeros((2, 9), np.uint8), "reshape"),
        (np.zeros((2, 3, 3, 4), np.uint8), "transparency"),
        (np.zeros((2, 3, 8, 8), np.uint8), "channels first"),
        (np.zeros((2, 3, 3, 1, 1), np.uint8), r"\(2, 3, 3, 1, 1\)"),
        (np.zeros((2, 0, 3), np.uint8), "size zero"),
    ],
)
def test_arrays_that_are_not_images_are_explained(array: NDArray[Any], message: str) -> None:
    with pytest.raises(TaskDataError, match=message):
        as_images(array, "x")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 10)), "argmax"),
        (np.zeros((2, 1, 1)), r"\(2, 1, 1\)"),
        (np.array([0.0, np.nan, np.nan]), "2 labels that are NaN"),
        (np.array([0.0, 1.0]), r"float64. Convert with: y.astype"),
        (np.array([True]), "got bool"),
        (np.array([0, -1]), "label -1"),
    ],
)
def test_arrays_that_are_not_labels_are_explained(array: NDArray[Any], message: str) -> None:
    with pytest.raises(TaskDataError, match=message):
        as_labels(array, "y")


def test_grey_images_get_a_channel_and_labels_become_int64() -> None:
    split = as_split(images(2), np.array([0, 1], np.int16), "train")
    assert split.images.shape == (2, 3, 3, 1)
    assert split.labels.dtype == np.int64


def test_data_that_does_not_fit_together_is_refused() -> None:
    labels = np.array([0, 1])
    with pytest.raises(TaskDataError, match="3 images but 2 labels"):
        as_split(images(3), labels, "train")
    small, large = as_split(images(2), labels, "a"), as_split(np.zeros((2, 5, 5), np.uint8), labels, "b")
    with pytest.raises(TaskDataError, match="mixes image shapes"):
        as_raw({"a": small, "b": large}, None, "data")
    with pytest.raises(TaskDataError, match="label 1 but 1 class names"):
        as_raw({"a": small}, ("only",), "data")
    with pytest.raises(TaskDataError, match="no images"):
        as_raw({}, None, "data")
