"""Arrays given in Python: `taskgrove.arrays(x, y)`; the store keeps them with the task."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.base import AbstractSource, RawData, Split
from taskgrove.tasks.checks import as_raw, as_split

_CLASS_NAMES = "class_names"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayData:
    """A task's data as a value: what it holds, and the bytes that the store keeps of it."""

    raw: RawData
    packed: bytes

    @property
    def source(self) -> str:
        """How the task's specification names it: `arrays:<sha256 of the bytes>`."""
        return f"{ArraysSource.name}:{hashlib.sha256(self.packed).hexdigest()}"


@final
class ArraysSource(AbstractSource):
    """Stands for data that was given as arrays; only the store can bring it back."""

    name: ClassVar[str] = "arrays"
    summary: ClassVar[str] = "arrays given in Python with taskgrove.arrays(x, y); kept in the store"

    def normalise(self, argument: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{64}", argument):
            raise TaskDataError(
                f"'arrays:{argument}' names no data: arrays are given in Python, with "
                "taskgrove.arrays(x, y). For a file of arrays, write npz:<path>."
            )
        return argument

    def load(self, argument: str) -> RawData:
        raise TaskDataError(
            f"The arrays {self.normalise(argument)[:12]}… are kept only in the store of the system that "
            "learned them; read the task from there, or give the arrays again with taskgrove.arrays(x, y)."
        )


def arrays(
    x: ArrayLike,
    y: ArrayLike,
    *,
    x_val: ArrayLike | None = None,
    y_val: ArrayLike | None = None,
    x_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
) -> ArrayData:
    """A task's data from arrays; a missing val or test is cut from `x`, evenly over the classes.

    Args:
        x: (N, H, W) or (N, H, W, C) uint8 training images, C 1 or 3.
        y: (N,) integers from 0, or strings.
        x_val: Like `x`, for choosing models.
        y_val: Of `x_val`.
        x_test: Like `x`, for measuring what was chosen.
        y_test: Of `x_test`.
        class_names: One per label; by default the distinct strings in order, or the numbers.

    Raises:
        TaskDataError: The arrays cannot be learned from; the message says how to convert them.
        UnknownNameError: A string label that is not among `class_names`.

    Example:
        >>> import numpy as np
        >>> data = arrays(np.zeros((4, 8, 8), np.uint8), ["cat", "dog", "cat", "dog"])
        >>> data.raw.class_names
        ('cat', 'dog')
    """
    given = {"train": (x, y), "val": (x_val, y_val), "test": (x_test, y_test)}
    pairs: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    for role, (images, labels) in given.items():
        if (images is None) != (labels is None):
            raise TaskDataError(f"x_{role} and y_{role} belong together: give both or neither.")
        if images is not None and labels is not None:
            pairs[role] = (np.asarray(images), np.asarray(labels))
    names = _names([labels for _, labels in pairs.values()], class_names)
    splits = {role: as_split(i, _numbered(n, names), role) for role, (i, n) in pairs.items()}
    raw = as_raw(splits, names, "The data")
    return ArrayData(raw=raw, packed=pack_arrays(raw))


def _names(labels: list[NDArray[Any]], given: Sequence[str] | None) -> tuple[str, ...] | None:
    if given is not None:
        return tuple(str(name) for name in given)
    if not any(_is_text(array) for array in labels):
        return None
    return tuple(sorted({str(label) for array in labels for label in np.unique(array)}))


def _is_text(labels: NDArray[Any]) -> bool:
    return labels.dtype.kind == "U" or (
        labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels.flat)
    )


def _numbered(labels: NDArray[Any], names: tuple[str, ...] | None) -> NDArray[Any]:
    if names is None or not _is_text(labels):
        return labels
    numbers = {name: number for number, name in enumerate(names)}
    for label in set(labels.flat) - set(numbers):
        raise UnknownNameError.of("class", str(label), names)
    return np.array([numbers[label] for label in labels.flat], np.int64).reshape(labels.shape)


def pack_arrays(raw: RawData) -> bytes:
    """The data as safetensors; equal data gives equal bytes."""
    names = np.frombuffer(json.dumps(raw.class_names).encode(), np.uint8)
    tensors: dict[str, NDArray[Any]] = {_CLASS_NAMES: names}
    for name, split in raw.splits.items():
        parts = {"images": split.images, "labels": split.labels}
        parts |= {f"column.{column}": array for column, array in split.columns.items()}
        tensors |= {f"{name}/{part}": np.ascontiguousarray(array) for part, array in parts.items()}
    return save(tensors)


def unpack_arrays(packed: bytes) -> RawData:
    """The data that `pack_arrays` packed.

    Raises:
        TaskDataError: The bytes were packed by something else.
    """
    try:
        # copied, since arrays that look into `packed` could not be written to, of which PyTorch warns
        tensors = {key: array.copy() for key, array in load(packed).items()}
        names = tuple(json.loads(tensors.pop(_CLASS_NAMES).tobytes()))
        splits = {key.partition("/")[0] for key in tensors}
        return as_raw({name: _split(tensors, name) for name in sorted(splits)}, names, "The packed data")
    except (SafetensorError, KeyError, ValueError) as error:
        raise TaskDataError(f"These {len(packed)} bytes are not packed arrays ({error}).") from error


def _split(tensors: Mapping[str, NDArray[Any]], name: str) -> Split:
    columns = {
        key.removeprefix(f"{name}/column."): array
        for key, array in tensors.items()
        if key.startswith(f"{name}/column.")
    }
    return as_split(tensors[f"{name}/images"], tensors[f"{name}/labels"], name, columns)
