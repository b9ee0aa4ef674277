"""The features of a Hugging Face data set: images, labels, whole numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.decoding import IMAGES_AT_ONCE
from taskgrove.tasks.featured import Table
from taskgrove.tasks.raster import Encoded

_STORED_IMAGE = {"bytes", "path"}
_WHOLE = ("int", "uint", "bool")
_TEXTS = frozenset({"string", "large_string"})
_UNLABELLED = -1


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """What could be what.

    Attributes:
        images: Features that hold images.
        classes: Class names by feature that has them.
        whole: Features of one whole number, those with class names among them.
        texts: Features of one text.
    """

    images: tuple[str, ...]
    classes: Mapping[str, tuple[str, ...]]
    whole: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def likely_labels(self) -> tuple[str, ...]:
        """Features with class names; where there are none, whole numbers."""
        return tuple(self.classes) or self.whole


def kinds_of(features: Mapping[str, Any]) -> Kinds:
    """Sort the features of a `datasets.Dataset`."""
    classes = {name: tuple(f.names) for name, f in features.items() if _kind(f) == "ClassLabel"}
    dtypes = {name: str(f.dtype) for name, f in features.items() if _kind(f) == "Value"}
    whole = {name for name, dtype in dtypes.items() if dtype.startswith(_WHOLE)}
    return Kinds(
        images=tuple(name for name, feature in features.items() if _is_image(feature)),
        classes=classes,
        whole=tuple(name for name in features if name in whole or name in classes),
        texts=tuple(name for name, dtype in dtypes.items() if dtype in _TEXTS),
    )


def tables_of(
    opened: Mapping[str, Any], kinds: Kinds, label: str
) -> tuple[dict[str, Table], tuple[str, ...] | None]:
    """Labels and columns of every split, and the names of the classes if they have names."""
    labels = {name: _column(split, label) for name, split in opened.items()}
    class_names = kinds.classes.get(label)
    if label in kinds.texts:
        class_names = tuple(sorted({text for column in labels.values() for text in column.tolist() if text}))
        number = {text: each for each, text in enumerate(class_names)}
        labels = {
            name: np.array([number.get(text, _UNLABELLED) for text in column.tolist()], np.int64)
            for name, column in labels.items()
        }
    tables = {
        name: Table(
            labels=labels[name].astype(np.int64),
            columns={each: _column(split, each).astype(np.int64) for each in kinds.whole},
        )
        for name, split in opened.items()
    }
    return tables, class_names


def encoded_images(opened: Mapping[str, Any], feature: str, where: str) -> Iterator[Sequence[Encoded]]:
    """The images of all splits as they are stored, some at a time."""
    for name, split in opened.items():
        stored = split.select_columns([feature]).with_format("arrow")
        for start in range(0, len(split), IMAGES_AT_ONCE):
            rows = stored[start : start + IMAGES_AT_ONCE].column(feature).to_pylist()
            yield [_encoded(row, f"image {start + i} of {name} of {where}") for i, row in enumerate(rows)]


def _encoded(row: Mapping[str, Any] | None, where: str) -> Encoded:
    content, path = (row or {}).get("bytes"), (row or {}).get("path")
    if content is not None:
        return Encoded(content, where)
    if not path:
        raise TaskDataError(f"{where} is empty; drop the examples that have no image.")
    return Encoded(Path(path), f"{path}, {where},")


def _column(split: Any, name: str) -> NDArray[Any]:
    """The values (N,) of a feature; what is missing counts as a label that is missing."""
    column = split.select_columns([name]).with_format("arrow")[:].column(name)
    if column.null_count and str(column.type) not in _TEXTS:
        column = column.cast("int64").fill_null(_UNLABELLED)
    values: NDArray[Any] = column.to_numpy()
    return values


def _is_image(feature: Any) -> bool:
    """Files that were not written by the library hold images as a plain structure."""
    return _kind(feature) == "Image" or (isinstance(feature, dict) and set(feature) == _STORED_IMAGE)


def _kind(feature: Any) -> str:
    return type(feature).__name__
