"""What TensorFlow Datasets says of a data set it has prepared: splits, files, features, class names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.featured import is_whole
from taskgrove.tasks.sources.tfds.extra import needed
from taskgrove.tasks.sources.tfds.records import FILE_FORMATS, Shard

_DESCRIPTIONS = ("dataset_info.json", "features.json")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A data set on disk.

    Attributes:
        shards: By split.
        images: Features that are images.
        whole: Features of one whole number per example, with their class names if they have any.
        others: All other features, with the class names of their values.
        usual: Image and label that the data set itself names.
        files: All of it, the descriptions first.
    """

    shards: Mapping[str, tuple[Shard, ...]]
    images: tuple[str, ...]
    whole: Mapping[str, tuple[str, ...] | None]
    others: Mapping[str, tuple[str, ...] | None]
    usual: tuple[str, str]
    files: tuple[Path, ...]


def read_description(folder: Path) -> Prepared:
    """Read `dataset_info.json`, `features.json` and the files of class names; no record.

    Raises:
        TaskDataError: They are missing, damaged or of a kind that cannot be read.
        MissingExtraError: A package is not installed.
    """
    info = _info(folder)
    kind = info.file_format.value if info.file_format else "tfrecord"
    if kind not in FILE_FORMATS:
        raise TaskDataError(
            f"{folder} holds files of the kind {kind}; only {' and '.join(FILE_FORMATS)} can be read. "
            "`tfds convert_format` makes the one of the other."
        )
    leaves = dict(_leaves("", info.features))
    features = needed("tensorflow_datasets").features
    images = {name for name, feature in leaves.items() if isinstance(feature, features.Image)}
    whole = {name for name in set(leaves) - images if _is_whole(leaves[name])}
    shards = {name: _shards(split, kind) for name, split in info.splits.items()}
    files = [folder / name for name in _DESCRIPTIONS]
    return Prepared(
        shards=shards,
        images=tuple(sorted(images)),
        whole={name: _class_names(leaves[name]) for name in sorted(whole)},
        others={name: _class_names(leaves[name]) for name in sorted(set(leaves) - images - whole)},
        usual=_usual(info.supervised_keys),
        files=(*files, *(shard.path for split in shards.values() for shard in split)),
    )


def _info(folder: Path) -> Any:
    for name in _DESCRIPTIONS:
        if not (folder / name).is_file():
            raise TaskDataError(f"{folder} has no {name}, so it is no data set of TensorFlow Datasets.")
    library = needed("tensorflow_datasets")
    damage = needed("google.protobuf.json_format").ParseError
    try:
        info = library.builder_from_directory(str(folder)).info
        names_of_splits = list(info.splits)
    except (damage, OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise TaskDataError(
            f"The description of the data set in {folder} cannot be read ({error}); {_DESCRIPTIONS[0]} or "
            f"{_DESCRIPTIONS[1]} is damaged, or lists features that cannot be read without TensorFlow."
        ) from error
    if not names_of_splits:
        raise TaskDataError(f"{folder} has no splits; its preparation was not completed.")
    return info


def _leaves(prefix: str, features: Any) -> Iterator[tuple[str, Any]]:
    """Features by their name in the files; of a sequence of dictionaries, what the dictionaries hold."""
    kinds = needed("tensorflow_datasets").features
    for name, feature in features.items():
        inner = feature.feature if isinstance(feature, kinds.Sequence) else feature
        if isinstance(inner, kinds.FeaturesDict):
            nested = _leaves(f"{prefix}{name}/", inner)
            yield from nested if inner is feature else ((key, [leaf]) for key, leaf in nested)
        else:
            yield prefix + name, feature


def _is_whole(feature: Any) -> bool:
    """Whether records hold it as one whole number; a compressed one is bytes there."""
    if isinstance(feature, list) or feature.shape != ():
        return False
    kinds = needed("tensorflow_datasets").features
    if not isinstance(feature, kinds.Tensor | kinds.ClassLabel):
        return False
    return is_whole(np.dtype(feature.get_serialized_info().np_dtype))


def _class_names(feature: Any) -> tuple[str, ...] | None:
    leaf = feature[0] if isinstance(feature, list) else feature
    if not isinstance(leaf, needed("tensorflow_datasets").features.ClassLabel) or not leaf.num_classes:
        return None
    return tuple(leaf.int2str(number) for number in range(leaf.num_classes))


def _shards(split: Any, kind: str) -> tuple[Shard, ...]:
    """The files of a split; those without records need not be there."""
    numbered = zip(split.filepaths, split.shard_lengths, strict=True)
    shards = [
        Shard(path=Path(str(path)), kind=kind, num_records=int(number)) for path, number in numbered if number
    ]
    gone = [shard.path for shard in shards if not shard.path.is_file()]
    if gone:
        more = f" and {len(gone) - 1} more are" if len(gone) > 1 else " is"
        raise TaskDataError(
            f"{gone[0]}{more} missing, though dataset_info.json beside it lists {len(shards)} files of this "
            "split; copy the data set again, or prepare it anew."
        )
    return tuple(shards)


def _usual(keys: Any) -> tuple[str, str]:
    """Image and label of `supervised_keys`, which may be absent, nested or hold a third."""
    named = [key if isinstance(key, str) else "" for key in (keys or ())[:2]]
    image, label = (*named, "", "")[:2]
    return image or "image", label or "label"
