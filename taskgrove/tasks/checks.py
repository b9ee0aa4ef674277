"""Turns arrays into splits, or says why nobody could learn from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.base import Images, Labels, RawData, Split
from taskgrove.tasks.mapped import MappedImages


def as_images(array: NDArray[Any] | MappedImages, where: str) -> Images | MappedImages:
    """The array as (N, H, W, C) uint8 images.

    Args:
        array: (N, H, W) or (N, H, W, C) uint8 with C 1 or 3; mapped images are images already.
        where: What the array is called, for messages.

    Raises:
        TaskDataError: Another dtype or shape; the message says how to convert.
    """
    if isinstance(array, MappedImages):
        return array
    if array.dtype != np.uint8:
        raise TaskDataError(f"{where} must hold uint8 images from 0 to 255, {_dtype_hint(array)}")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3):
        raise TaskDataError(
            f"{where} has shape {array.shape}; images are (N, H, W) or (N, H, W, C) with 1 or 3 "
            f"channels.{_shape_hint(array)}"
        )
    if 0 in array.shape[1:]:
        raise TaskDataError(f"{where} has images of size zero: its shape is {array.shape}.")
    return array


def _dtype_hint(array: NDArray[Any]) -> str:
    got = f"got {array.dtype}"
    if array.dtype.kind not in "iufb" or array.size == 0:
        return f"{got}."
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return f"{got} with NaN or infinite values; find out where they come from before converting."
    low, high = array.min(), array.max()
    if array.dtype.kind in "fb" and low >= 0 and high <= 1:
        return f"{got} from 0 to 1. Convert with: (x * 255).round().astype('uint8')"
    if low >= 0 and high <= 255:
        return f"{got} from {low} to {high}. Convert with: x.round().astype('uint8')"
    return f"{got} from {low} to {high}. Scale the values to 0 .. 255, then convert with: x.astype('uint8')"


def _shape_hint(array: NDArray[Any]) -> str:
    if array.ndim == 4 and array.shape[-1] == 4:
        return " A fourth channel is usually transparency; drop it with: x[..., :3]"
    if array.ndim == 4 and array.shape[1] in (1, 3):
        return " This looks like channels first; convert with: x.transpose(0, 2, 3, 1)"
    if array.ndim == 2:
        return " Flattened images need their size back: x.reshape(-1, height, width)"
    return ""


def as_labels(array: NDArray[Any], where: str) -> Labels:
    """The array as (N,) int64 labels from 0.

    Args:
        array: (N,) integers, none negative.
        where: What the array is called, for messages.

    Raises:
        TaskDataError: Labels that are not integers, not one per image, or negative.
    """
    if array.ndim != 1:
        hint = " Convert one-hot labels with: y.argmax(axis=1)" if array.ndim == 2 else ""
        raise TaskDataError(f"{where} has shape {array.shape}; labels are one number per image.{hint}")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise TaskDataError(
            f"{where} has {int(np.isnan(array).sum())} labels that are NaN; drop those images."
        )
    if array.dtype.kind not in "iu":
        raise TaskDataError(
            f"{where} must hold integer labels from 0, got {array.dtype}. Convert with: y.astype('int64')"
        )
    if array.size and int(array.min()) < 0:
        raise TaskDataError(
            f"{where} has the label {int(array.min())}; labels count from 0. "
            "If it marks unlabelled images, drop them."
        )
    return array.astype(np.int64, copy=False)


def as_split(
    images: NDArray[Any] | MappedImages,
    labels: NDArray[Any],
    where: str,
    columns: Mapping[str, NDArray[Any]] | None = None,
) -> Split:
    """Images with their labels, checked.

    Args:
        images: See `as_images`.
        labels: See `as_labels`.
        where: What the split is called, for messages.
        columns: Other arrays of length N to cut by.

    Raises:
        TaskDataError: See `as_images` and `as_labels`; or there are more of one than of the other.
    """
    split = Split(
        images=as_images(images, f"The images of {where}"),
        labels=as_labels(labels, f"The labels of {where}"),
        columns=columns,
    )
    if len(split.pixels) != len(split.labels):
        raise TaskDataError(
            f"{where} has {len(split.pixels)} images but {len(split.labels)} labels; "
            "each image needs exactly one."
        )
    return split


def as_raw(splits: Mapping[str, Split], class_names: tuple[str, ...] | None, where: str) -> RawData:
    """Splits that belong together, with the names of their classes.

    Args:
        splits: By name.
        class_names: One per label; None names the classes by their number.
        where: What the data is called, for messages.

    Raises:
        TaskDataError: No split, image shapes that differ, or labels that no class name belongs to.
    """
    if not splits:
        raise TaskDataError(f"{where} holds no images.")
    shapes = {name: split.pixels.shape[1:] for name, split in splits.items()}
    if len(set(shapes.values())) > 1:
        raise TaskDataError(f"{where} mixes image shapes: {shapes}. Resize all images to one shape.")
    highest = max((int(s.labels.max()) for s in splits.values() if len(s)), default=-1)
    names = class_names if class_names is not None else tuple(str(i) for i in range(highest + 1))
    if highest >= len(names):
        raise TaskDataError(
            f"{where} has the label {highest} but {len(names)} class names, for labels 0 .. {len(names) - 1}."
        )
    return RawData(splits=splits, class_names=names)


def check_num_classes(names: Sequence[str], expected: int | None, source: str) -> None:
    """Refuse data that has another number of classes than expected; None expects any.

    Raises:
        TaskDataError: The numbers differ.
    """
    if expected is not None and len(names) != expected:
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise TaskDataError(
            f"{source} has {len(names)} classes ({shown}), but the task says that it has {expected}. Likely "
            "it is another version or configuration of the data set, or the wrong label. Correct the "
            "source, or the number of classes if the data is what you want."
        )
