"""Split expressions: which of a source's images are for training, validation and test.

The grammar is that of TensorFlow Datasets, with two additions. An expression is one or more parts
joined by `+`; a part is the name of a source's split, followed by any number of brackets, each of
which cuts what the one before it left:

    train            all of it
    train[5%:]       all but the first 5 percent; boundaries are rounded to the nearest image
    train[:800]      the first 800 images; bounds may be negative: `train[-100:]`
    all[drawer=1..16]        images whose column `drawer` is 1 to 16; `all[drawer=17]` for one value
    train[stratified :10%]   10 percent of every class
    train[stratified 10%:]   the other 90 percent of every class

`stratified` slices a fixed shuffle in which every class is spread evenly, so slices that do not
overlap share no image, slices that meet leave none out, and the first images of any slice are of
all classes. Many files are sorted by class; a plain slice of those would leave classes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.base import Labels, RawData, Split
from taskgrove.tasks.mapped import Index, joined

ROW = "row"
"""Column with which a source says that images of several of its splits are the same ones."""

_STRATIFIED_SEED = 0
_PART = re.compile(r"\s*([\w.-]+)\s*((?:\[[^\[\]]*\]\s*)*)")
_BOUND = r"(-?\d+(?:\.\d+)?%|-?\d+)?"
_SLICE = re.compile(rf"\s*(stratified\b)?\s*{_BOUND}\s*:\s*{_BOUND}\s*")
_COLUMN = re.compile(r"\s*(\w+)\s*=\s*(-?\d+)(?:\s*\.\.\s*(-?\d+))?\s*")
_EXAMPLES = "'train', 'train[5%:]', 'train[:800]', 'all[drawer=1..16]', 'train[stratified :10%]' or 'a+b'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Images that an expression names: positions in splits of a source, part by part."""

    expression: str
    parts: tuple[tuple[str, Index], ...]


def cut(raw: RawData, expression: str) -> Split:
    """The images that `expression` names.

    Args:
        raw: What the source holds.
        expression: See the module's text.

    Raises:
        TaskDataError: The expression cannot be read, or names no image.
        UnknownNameError: A split or column that the source does not have.
    """
    return take(raw, select(raw, expression))


def select(raw: RawData, expression: str) -> Selection:
    """Where the images that `expression` names are found; see `cut`."""
    parts = tuple(_part(raw, part, expression) for part in expression.split("+"))
    if not sum(len(index) for _, index in parts):
        sizes = {name: len(split) for name, split in raw.splits.items()}
        raise TaskDataError(f"The split {expression!r} names no image; the source holds {sizes}.")
    return Selection(expression=expression, parts=parts)


def take(raw: RawData, selection: Selection) -> Split:
    """The selected images; a view where they lie in files or side by side, otherwise a copy."""
    splits = [subset(raw.splits[name], index) for name, index in selection.parts if len(index)]
    return concatenate(splits) if len(splits) > 1 else splits[0]


def concatenate(splits: list[Split]) -> Split:
    """The splits one after the other, with the columns that all of them have."""
    columns = set.intersection(*(set(s.columns) for s in splits))
    return Split(
        images=joined([s.pixels for s in splits]),
        labels=np.concatenate([s.labels for s in splits]),
        columns={c: np.concatenate([s.columns[c] for s in splits]) for c in sorted(columns)},
    )


def shared(raw: RawData, one: Selection, other: Selection) -> int:
    """Number of the source's images that are in both selections."""
    return len(np.intersect1d(_rows(raw, one), _rows(raw, other)))


def _part(raw: RawData, text: str, expression: str) -> tuple[str, Index]:
    match = _PART.fullmatch(text)
    if match is None:
        raise TaskDataError(f"The split {expression!r} cannot be read at {text!r}; write {_EXAMPLES}.")
    name, brackets = match.groups()
    if name not in raw.splits:
        raise UnknownNameError.of("split", name, raw.splits)
    index = np.arange(len(raw.splits[name]))
    for bracket in re.findall(r"\[([^\[\]]*)\]", brackets):
        index = _narrow(raw.splits[name], index, bracket, expression)
    return name, index


def _narrow(split: Split, index: Index, bracket: str, expression: str) -> Index:
    if match := _COLUMN.fullmatch(bracket):
        name, low, high = match.groups()
        return index[_within(split.columns, name, int(low), int(high or low))[index]]
    if match := _SLICE.fullmatch(bracket):
        stratified, start, stop = match.groups()
        order = index[stratified_order(split.labels[index])] if stratified else index
        return order[_bound(start, len(order), 0) : _bound(stop, len(order), len(order))]
    raise TaskDataError(f"The split {expression!r} cannot be read at '[{bracket}]'; write {_EXAMPLES}.")


def _within(columns: Mapping[str, NDArray[Any]], name: str, low: int, high: int) -> NDArray[np.bool_]:
    if name not in columns:
        raise UnknownNameError.of("column", name, columns)
    column = columns[name]
    if column.ndim != 1 or column.dtype.kind not in "iu":
        raise TaskDataError(
            f"The column {name!r} holds {column.dtype} of shape {column.shape}, not whole numbers."
        )
    return np.asarray((column >= low) & (column <= high))


def _bound(text: str | None, size: int, default: int) -> int:
    if text is None:
        return default
    if text.endswith("%"):
        percent = float(text[:-1])
        if abs(percent) > 100:
            raise TaskDataError(f"The boundary {text} is beyond 100 percent.")
        position = round(percent * size / 100)
    else:
        position = int(text)
    return max(position + size, 0) if text.startswith("-") else min(position, size)


def stratified_order(labels: Labels) -> Index:
    """A fixed shuffle that spreads every class evenly: any slice holds about its share of each.

    Args:
        labels: (N,) int64.
    """
    rng = np.random.RandomState(_STRATIFIED_SEED)  # its stream is frozen; that of default_rng is not
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, counts = np.unique(labels, return_counts=True)
    place = np.concatenate([(np.arange(n) + 0.5) / n for n in counts]) if len(counts) else np.zeros(0)
    return by_class[np.lexsort((rng.permutation(len(labels)), place))]


def subset(split: Split, index: Index) -> Split:
    """Some images of a split with their labels and columns, at least one; a view where `take` gives one."""
    side_by_side = bool((np.diff(index) == 1).all())
    where = slice(int(index[0]), int(index[-1]) + 1) if side_by_side else index
    columns = {name: column[where] for name, column in split.columns.items()}
    return Split(images=split.pixels[where], labels=split.labels[where], columns=columns)


def _rows(raw: RawData, selection: Selection) -> NDArray[np.int64]:
    return np.concatenate([np.asarray(_numbers(raw, name))[index] for name, index in selection.parts])


def _numbers(raw: RawData, name: str) -> NDArray[Any]:
    if ROW in raw.splits[name].columns:
        return raw.splits[name].columns[ROW]
    offset = sum(len(split) for other, split in raw.splits.items() if other < name)
    return np.arange(offset, offset + len(raw.splits[name]))
