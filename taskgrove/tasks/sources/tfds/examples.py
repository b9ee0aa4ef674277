"""From a record to what is wanted of its example: the encoded image, the label, whole numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.decoding import IMAGES_AT_ONCE
from taskgrove.tasks.raster import Encoded, look_at
from taskgrove.tasks.sources.tfds.extra import needed
from taskgrove.tasks.sources.tfds.labels import LabelFunction, Values
from taskgrove.tasks.sources.tfds.records import Record, Shard, read_records


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is wanted of every example.

    Attributes:
        image: Its feature.
        label: Its feature, or the function that computes it.
        columns: Features of one whole number.
    """

    image: str
    label: str | LabelFunction
    columns: tuple[str, ...]


def chunks_of(shards: Sequence[Shard]) -> Iterator[Sequence[Record]]:
    """All records of the shards in order, some at a time."""
    records = (record for shard in shards for record in read_records(shard))
    while chunk := list(islice(records, IMAGES_AT_ONCE)):
        yield chunk


def image_of(record: Record, feature: str) -> Encoded:
    """The image of an example, encoded.

    Raises:
        TaskDataError: It has none.
    """
    return _image(record, _parsed(record), feature)


def row_of(record: Record, wanted: Wanted) -> NDArray[np.int64]:
    """Width, height, whether it is grey, the label, and the columns of an example.

    Raises:
        TaskDataError: Something of it is missing.
    """
    features = _parsed(record)
    look = look_at(_image(record, features, wanted.image))
    label = wanted.label
    number = (
        _number(record, features, label)
        if isinstance(label, str)
        else label.of(_values(record, features, label.needs))
    )
    columns = [_number(record, features, name) for name in wanted.columns]
    return np.array([look.width, look.height, look.grey, number, *columns], np.int64)


def _parsed(record: Record) -> Any:
    messages = needed("tensorflow_datasets.proto").tf_example_pb2
    damage = needed("google.protobuf.message").DecodeError
    try:
        return messages.Example.FromString(record.data).features.feature
    except damage as error:
        raise TaskDataError(f"{record.where} is no example ({error}); prepare the data set anew.") from error


def _feature(record: Record, features: Any, name: str) -> Any:
    if name not in features:  # asking for it would make it
        raise TaskDataError(f"{record.where} lacks the feature {name!r}, which features.json lists.")
    return features[name]


def _image(record: Record, features: Any, name: str) -> Encoded:
    values = _feature(record, features, name).bytes_list.value
    if len(values) != 1:
        raise TaskDataError(f"{record.where} has {len(values)} images in {name!r}, not one.")
    return Encoded(values[0], record.where)


def _number(record: Record, features: Any, name: str) -> int:
    values = _feature(record, features, name).int64_list.value
    if len(values) != 1:
        raise TaskDataError(f"{record.where} has {len(values)} whole numbers in {name!r}, not one.")
    return int(values[0])


def _values(record: Record, features: Any, needs: Mapping[str, int]) -> Values:
    return {name: _array(_feature(record, features, name), width) for name, width in needs.items()}


def _array(feature: Any, width: int) -> NDArray[Any]:
    numbers = np.array([*feature.int64_list.value, *feature.float_list.value])
    return numbers if width == 1 else numbers.reshape(-1, width)
