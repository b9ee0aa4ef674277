"""Data sets that TensorFlow Datasets has prepared: `tfds:<name>[/<config>][:<version>]`.

They are read without TensorFlow. The package tensorflow-datasets tells splits, files and features, and
defines the message in a record; for this it does not need TensorFlow. To read records from files of the
kind `tfrecord`, the usual one, it would; so `taskgrove.tasks.sources.tfds.records` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar, final

from taskgrove.tasks.arguments import absolute_path, join_options, missing_path, split_options
from taskgrove.tasks.base import AbstractSource, RawData
from taskgrove.tasks.checks import as_raw
from taskgrove.tasks.decoding import EncodedImages, decode_images
from taskgrove.tasks.featured import FEATURE_OPTIONS, choose_feature, splits_of, with_labels
from taskgrove.tasks.raster import Encoded, check_size
from taskgrove.tasks.sources.tfds.examples import Wanted, chunks_of, image_of
from taskgrove.tasks.sources.tfds.labels import LABEL_FUNCTIONS
from taskgrove.tasks.sources.tfds.place import Place, check_prepared, home_folder, place_of
from taskgrove.tasks.sources.tfds.prepared import Prepared, read_description
from taskgrove.tasks.sources.tfds.records import Shard
from taskgrove.tasks.sources.tfds.scan import Rows, looks_of, scan, table_of


@final
class TfdsSource(AbstractSource):
    """A data set on disk, in files of the kind `tfrecord` or `array_record`.

    `image` and `label` are features; by themselves those are found that the data set names, that have the
    usual name, or that are alone. A label may also be computed, see
    `taskgrove.tasks.sources.tfds.labels`. All other whole numbers become columns. Splits whose labels are
    kept secret are left out. Images are decoded, resized and cached as in `folder`.
    """

    name: ClassVar[str] = "tfds"
    summary: ClassVar[str] = (
        "tfds:name[/config][:version][?label=…&image=…&size=…&dir=…], prepared by TensorFlow Datasets"
    )

    def normalise(self, argument: str) -> str:
        place, options = _parse(argument)
        check_size(options)
        return join_options(place.head, {**options, "dir": str(place.home)})

    def load(self, argument: str) -> RawData:
        place, options = _parse(self.normalise(argument))
        check_prepared(place)
        prepared = read_description(place.folder)
        wanted, class_names = _choose(prepared, options, str(place.folder))
        rows = _scanned(prepared, wanted, options["label"])
        where = str(place.folder)
        tables = with_labels({name: table_of(part, wanted.columns) for name, part in rows.items()}, where)
        shards = [shard for name in tables for shard in prepared.shards[name]]
        images = EncodedImages(
            files=[shard.path for shard in shards],
            num_images=sum(len(table.labels) for table in tables.values()),
            chunks=partial(_encoded, shards, wanted.image),
        )
        look = partial(looks_of, [rows[name] for name in tables])
        decoded = decode_images(images, f"tfds 1 {wanted.image}", options["size"], look)
        return as_raw(splits_of(decoded, tables, where), class_names, where)

    def missing(self, argument: str) -> str:
        return missing_path(str(_parse(argument)[0].folder))


def _parse(argument: str) -> tuple[Place, dict[str, str]]:
    head, options = split_options(argument, {**FEATURE_OPTIONS, "dir": home_folder()})
    return place_of(head, absolute_path(options["dir"])), options


def _choose(
    prepared: Prepared, options: Mapping[str, str], where: str
) -> tuple[Wanted, tuple[str, ...] | None]:
    """What is read of each example, and the names of the classes if they have names."""
    usual_image, usual_label = prepared.usual
    image = choose_feature("image", options["image"], prepared.images, where, usual_image)
    functions = [name for name in LABEL_FUNCTIONS if _fits(prepared, name)]
    label = choose_feature("label", options["label"], prepared.whole, where, usual_label, functions)
    columns = tuple(prepared.whole)
    if label in functions:
        function = LABEL_FUNCTIONS[label]
        return Wanted(image=image, label=function, columns=columns), function.class_names
    return Wanted(image=image, label=label, columns=columns), prepared.whole[label]


def _fits(prepared: Prepared, name: str) -> bool:
    """Whether the data set has what a label function needs."""
    function = LABEL_FUNCTIONS[name]
    others = prepared.others
    return all(feature in others for feature in function.needs) and all(
        (others[feature] or ())[: len(names)] == names for feature, names in function.names.items()
    )


def _scanned(prepared: Prepared, wanted: Wanted, label: str) -> dict[str, Rows]:
    """The rows of all splits, by split."""
    shards = [shard for split in prepared.shards.values() for shard in split]
    rows = scan(shards, prepared.files, wanted, label)
    by_split: dict[str, Rows] = {}
    first = 0
    for name, split in prepared.shards.items():
        last = first + sum(shard.num_records for shard in split)
        by_split[name] = rows[first:last]
        first = last
    return by_split


def _encoded(shards: Sequence[Shard], feature: str) -> Iterator[Sequence[Encoded]]:
    return ([image_of(record, feature) for record in chunk] for chunk in chunks_of(shards))
