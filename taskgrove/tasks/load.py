"""From the name of a source to a task that can be learned, and back from its specification."""

from __future__ import annotations

from collections.abc import Mapping

from taskgrove.domain.errors import BadValueError, TaskDataError
from taskgrove.domain.ids import NAME_PATTERN, BlobId, TaskName
from taskgrove.domain.records import TaskSpec
from taskgrove.tasks.base import RawData, TaskData
from taskgrove.tasks.cache import ImageCache
from taskgrove.tasks.digest import digest_of_bytes, digest_of_files
from taskgrove.tasks.named import loaded, normalised
from taskgrove.tasks.roles import ROLES, cut_task, resolve_splits
from taskgrove.tasks.sources import parse_source
from taskgrove.tasks.sources.arrays import ArraysSource, unpack_arrays
from taskgrove.tasks.stamps import key_of


def normalise_source(source: str) -> str:
    """The source as a specification records it: paths absolute, options spelled out."""
    return normalised(source, parse_source)


def load_raw(source: str, blob: bytes | None = None) -> RawData:
    """All that a source holds.

    Args:
        source: `name:argument`.
        blob: The packed arrays, when the source is `arrays:…`.

    Raises:
        TaskDataError: The data is missing, damaged or of the wrong form.
    """
    plugin, _ = parse_source(source)
    if isinstance(plugin, ArraysSource) and blob is not None:
        return unpack_arrays(blob)
    return loaded(source, parse_source)


def load_task(
    source: str,
    splits: Mapping[str, str] | None = None,
    *,
    blob: bytes | None = None,
    allow_overlap: bool = False,
) -> TaskData:
    """A task's images, cut and checked.

    Args:
        source: `name:argument`.
        splits: Expression by role; see `taskgrove.tasks.roles.resolve_splits`.
        blob: See `load_raw`.
        allow_overlap: Accept splits that share images, which a published experiment may have done.

    Raises:
        TaskDataError: The data cannot be read, or nothing could be learned from it.
        UnknownNameError: A source, split or column that does not exist.
    """
    raw = load_raw(source, blob)
    return cut_task(raw, resolve_splits(raw, splits), allow_overlap=allow_overlap)


def fingerprint(data: TaskData) -> str:
    """sha256 (hex) over shapes, types and bytes of the images and labels of all roles.

    That of images in files is noted in the machine's cache, and worked out again when a file has changed.
    """
    files = digest_of_files(data)
    if files is None:
        return digest_of_bytes(data)
    cache = ImageCache.of_machine()
    key = key_of("fingerprint", files)
    found = cache.recall(key)
    if found is None:
        found = digest_of_bytes(data)
        cache.note(key, found)
    return found


def describe(
    name: TaskName, source: str, splits: Mapping[str, str], data: TaskData, blob: BlobId | None = None
) -> TaskSpec:
    """What the system remembers of a task.

    Args:
        name: Of the task.
        source: `name:argument`; recorded in its normal form.
        splits: Expression by role, all three.
        data: What `load_task` gave for them.
        blob: Where the store keeps packed arrays.

    Raises:
        BadValueError: The name is not one.
    """
    if NAME_PATTERN.fullmatch(name) is None:
        raise BadValueError(
            f"{name!r} cannot name a task; use 1 to 100 letters, digits and '_.:+-', "
            "starting with a letter or digit."
        )
    height, width, channels = data.train.pixels.shape[1:]
    return TaskSpec(
        name=name,
        source=normalise_source(source),
        splits={role: splits[role] for role in ROLES},
        class_names=data.class_names,
        sizes={"train": len(data.train), "val": len(data.val), "test": len(data.test)},
        image_shape=(height, width, channels),
        fingerprint=fingerprint(data),
        data=blob,
    )


def reload(spec: TaskSpec, blob: bytes | None = None) -> TaskData:
    """The task's data, the same as when the task arrived.

    Args:
        spec: What the system remembers.
        blob: The bytes of `spec.data`, for tasks given as arrays.

    Raises:
        TaskDataError: The data cannot be read any more, or has changed.
    """
    # splits that share images were accepted when the task arrived
    data = load_task(spec.source, spec.splits, blob=blob, allow_overlap=True)
    if (found := fingerprint(data)) != spec.fingerprint:
        raise TaskDataError(
            f"The data of task {spec.name!r} has changed: {spec.source} has the fingerprint {found[:12]}…, "
            f"the task was learned with {spec.fingerprint[:12]}…. Restore the data (drawn images also need "
            "the same versions of Pillow and fonts), or add the new data as a new task."
        )
    return data
