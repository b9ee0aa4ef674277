"""NumPy files: `npz:path` or `npz:path#prefix`.

Keys, each with `prefix/` before it when there is a prefix:

    x_<split>, y_<split>         images and labels, e.g. x_train and y_train; x_all when there is one split
    <column>_<split>             any array of the split's length: a column that expressions can cut by
    <name>_index_in_<split>      positions in a split; they become the split <name>
    class_names (or chars)       one per label; other keys are ignored

A file with several splits also has the split `all`: one after the other.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.arguments import absolute_path, missing_path
from taskgrove.tasks.base import AbstractSource, RawData, Split
from taskgrove.tasks.checks import as_raw, as_split
from taskgrove.tasks.mapped import MappedImages
from taskgrove.tasks.npz_member import map_member
from taskgrove.tasks.splits import ROW, concatenate

_ORDER = ("train", "val", "valid", "validation", "test")
_INDEX = re.compile(r"(.+)_index_in_(.+)")
_UNREADABLE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise for damaged, encrypted or foreign files."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """Of a file: images by split, and everything else by key."""

    images: Mapping[str, NDArray[Any] | MappedImages]
    arrays: Arrays

    def keys(self) -> list[str]:
        return sorted([*(f"x_{name}" for name in self.images), *self.arrays])


@final
class NpzSource(AbstractSource):
    """Images and labels in a file that `numpy.savez` wrote."""

    name: ClassVar[str] = "npz"
    summary: ClassVar[str] = "npz:path[#prefix], a NumPy file with x_train, y_train, x_test, y_test"

    def normalise(self, argument: str) -> str:
        path, mark, prefix = argument.partition("#")
        return absolute_path(path) + mark + prefix

    def load(self, argument: str) -> RawData:
        path, _, prefix = self.normalise(argument).partition("#")
        content = _read(path, prefix)
        arrays = content.arrays
        splits = _splits(content, path)
        names = next((arrays[key] for key in ("class_names", "chars") if key in arrays), None)
        return as_raw(splits, None if names is None else tuple(str(n) for n in names.tolist()), path)

    def missing(self, argument: str) -> str:
        return missing_path(argument.partition("#")[0])


def _read(path: str, prefix: str) -> _Content:
    """The arrays whose key is `<prefix>/<name>`, by name; without a prefix those with a plain key."""
    try:
        with open(path, "rb") as stream:
            file: Any = np.load(stream, allow_pickle=False)
            keys = [] if isinstance(file, np.ndarray) else [key.rpartition("/") for key in file]
            wanted = {name: start + slash + name for start, slash, name in keys if start == prefix}
            images = {name[2:]: _images(file, path, wanted[name]) for name in wanted if name[:2] == "x_"}
            arrays = {name: file[key] for name, key in wanted.items() if name[:2] != "x_"}
    except FileNotFoundError as error:
        raise TaskDataError(f"There is no file {path}; check the path in npz:<path>.") from error
    except _UNREADABLE as error:
        raise TaskDataError(f"{path} is not a NumPy file that can be read ({error}).") from error
    prefixes = {start for start, _, _ in keys} - {""}
    if prefix and not wanted:
        raise UnknownNameError.of(f"prefix in {path}", prefix, prefixes)
    if prefixes and not images:
        known = ", ".join(sorted(prefixes))
        raise TaskDataError(
            f"{path} holds several tasks; choose one with npz:<path>#<prefix>. Known: {known}."
        )
    return _Content(images=images, arrays=arrays)


def _images(file: Any, path: str, key: str) -> NDArray[Any] | MappedImages:
    mapped = map_member(Path(path), key)
    return file[key] if mapped is None else mapped


def _splits(content: _Content, path: str) -> dict[str, Split]:
    names = sorted(content.images)
    names.sort(key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    if not names:
        raise TaskDataError(f"{path} has no array x_train or x_all; its keys are {content.keys()}.")
    splits: dict[str, Split] = {}
    for name in names:
        splits[name] = _split(content, name, sum(len(s) for s in splits.values()), path)
    as_raw(splits, None, path)
    if len(splits) > 1 and "all" not in splits:
        splits = _with_all(splits)
    for key, index in content.arrays.items():
        if (match := _INDEX.fullmatch(key)) and match[2] in splits:
            splits[match[1]] = _indexed(splits[match[2]], index, f"{key} of {path}")
    return splits


def _split(content: _Content, name: str, first_row: int, path: str) -> Split:
    arrays = content.arrays
    if f"y_{name}" not in arrays:
        raise TaskDataError(f"{path} has x_{name} but no y_{name}; its keys are {content.keys()}.")
    labels = arrays[f"y_{name}"]
    columns = {
        key.removesuffix(f"_{name}"): array
        for key, array in arrays.items()
        if key.endswith(f"_{name}") and key[:2] != "y_" and array.shape == labels.shape
    }
    columns[ROW] = np.arange(first_row, first_row + len(labels))
    return as_split(content.images[name], labels, f"{name} of {path}", columns)


def _with_all(splits: Mapping[str, Split]) -> dict[str, Split]:
    """The splits as views of one that holds all of them, so that memory holds each image once."""
    everything = concatenate(list(splits.values()))
    if isinstance(everything.pixels, MappedImages):
        return {"all": everything, **splits}
    result = {"all": everything}
    start = 0
    for name, split in splits.items():
        rows = slice(start, start + len(split))
        result[name] = Split(
            images=everything.pixels[rows], labels=everything.labels[rows], columns=split.columns
        )
        start += len(split)
    return result


def _indexed(split: Split, index: NDArray[Any], where: str) -> Split:
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise TaskDataError(
            f"{where} must be a list of whole numbers, got {index.dtype} of shape {index.shape}."
        )
    if index.size and (int(index.min()) < 0 or int(index.max()) >= len(split)):
        raise TaskDataError(
            f"{where} points to the images {index.min()} to {index.max()}, but the split has {len(split)}."
        )
    columns = {name: column[index] for name, column in split.columns.items()}
    return Split(images=split.pixels[index], labels=split.labels[index], columns=columns)
