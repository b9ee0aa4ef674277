"""Data sets whose examples have named features: which is the image, which the label; their splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.base import Images, Labels, Split
from taskgrove.tasks.checks import as_split
from taskgrove.tasks.mapped import MappedImages
from taskgrove.tasks.splits import ROW

AUTO = "auto"
FEATURE_OPTIONS: Mapping[str, str] = {"image": AUTO, "label": AUTO, "size": AUTO}
"""Options of sources of such data sets, with their defaults."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What is known of a split's examples besides their images.

    Attributes:
        labels: (N,) int64; negative where an example has none.
        columns: (N,) whole numbers that expressions can cut by.
    """

    labels: Labels
    columns: Mapping[str, NDArray[Any]]


def choose_feature(
    what: str, wanted: str, candidates: Iterable[str], where: str, usual: str, more: Iterable[str] = ()
) -> str:
    """The feature that is the image, or the label.

    Args:
        what: `image` or `label`.
        wanted: A feature, or `auto`: the usual one, or the only one.
        candidates: Features that could be it.
        where: What the data set is called, for messages.
        usual: What the data set says, or the feature's usual name.
        more: Names that may be wanted but are never found by themselves.

    Raises:
        UnknownNameError: The wanted feature is none of them.
        TaskDataError: It is not clear which one.
    """
    names, others = sorted(candidates), sorted(more)
    if wanted != AUTO:
        if wanted not in {*names, *others}:
            raise UnknownNameError.of(f"{what} feature in {where}", wanted, [*names, *others])
        return wanted
    if usual in names:
        return usual
    if len(names) == 1:
        return names[0]
    if not names:
        raise TaskDataError(f"{where} has no feature that could be the {what}.")
    raise TaskDataError(
        f"{where} has several features that could be the {what}: {', '.join([*names, *others])}. "
        f"Choose one with {what}=<feature>."
    )


def with_labels(tables: Mapping[str, Table], where: str) -> dict[str, Table]:
    """The splits that can be learned from or measured on: those with labels.

    Benchmarks whose test labels are kept secret have a split of which every label is -1.

    Raises:
        TaskDataError: There is none.
    """
    kept = {name: table for name, table in tables.items() if (table.labels >= 0).any()}
    if not kept:
        raise TaskDataError(f"{where} has no split with labels; its splits are {sorted(tables)}.")
    return kept


def splits_of(images: Images | MappedImages, tables: Mapping[str, Table], where: str) -> dict[str, Split]:
    """The images (N, H, W, C) of all splits, one after the other, by split."""
    splits: dict[str, Split] = {}
    first = 0
    for name, table in tables.items():
        rows = slice(first, first + len(table.labels))
        columns = {column: array for column, array in table.columns.items() if column != ROW}
        splits[name] = as_split(images[rows], table.labels, f"{name} of {where}", columns)
        first = rows.stop
    return splits


def is_whole(dtype: np.dtype[Any]) -> bool:
    """Whether values of the type can be labels or columns."""
    return dtype.kind in "iub"
