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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.base import Labels, RawData, Split
from taskgrove.tasks.expressions import Part, Slice, Where, parse
from taskgrove.tasks.mapped import Index, joined

ROW = "row"
"""Column with which a source says that images of several of its splits are the same ones."""

_STRATIFIED_SEED = 0


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
    parts = tuple(_part(raw, part) for part in parse(expression))
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


def _part(raw: RawData, part: Part) -> tuple[str, Index]:
    if part.split not in raw.splits:
        raise UnknownNameError.of("split", part.split, raw.splits)
    split = raw.splits[part.split]
    index = np.arange(len(split))
    for bracket in part.brackets:
        index = _narrow(split, index, bracket)
    return part.split, index


def _narrow(split: Split, index: Index, bracket: Slice | Where) -> Index:
    if isinstance(bracket, Where):
        return index[_within(split.columns, bracket.column, bracket.low, bracket.high)[index]]
    order = index[stratified_order(split.labels[index])] if bracket.stratified else index
    return order[bracket.within(len(order))]


def _within(columns: Mapping[str, NDArray[Any]], name: str, low: int, high: int) -> NDArray[np.bool_]:
    if name not in columns:
        raise UnknownNameError.of("column", name, columns)
    column = columns[name]
    if column.ndim != 1 or column.dtype.kind not in "iu":
        raise TaskDataError(
            f"The column {name!r} holds {column.dtype} of shape {column.shape}, not whole numbers."
        )
    return np.asarray((column >= low) & (column <= high))


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


def row_numbers(raw: RawData, name: str) -> NDArray[Any]:
    """(N,) a number for each image of a split; images of two splits with the same number are the same."""
    if ROW in raw.splits[name].columns:
        return raw.splits[name].columns[ROW]
    offset = sum(len(split) for other, split in raw.splits.items() if other < name)
    return np.arange(offset, offset + len(raw.splits[name]))


def _rows(raw: RawData, selection: Selection) -> NDArray[np.int64]:
    return np.concatenate([np.asarray(row_numbers(raw, name))[index] for name, index in selection.parts])
