"""Hugging Face data sets: `hub:<folder>` or `hub:<owner>/<repo>`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, final

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.arguments import absolute_path, join_options, missing_path, split_options
from taskgrove.tasks.base import AbstractSource, RawData
from taskgrove.tasks.checks import as_raw
from taskgrove.tasks.decoding import EncodedImages, decode_images
from taskgrove.tasks.featured import AUTO, FEATURE_OPTIONS, choose_feature, splits_of, with_labels
from taskgrove.tasks.raster import check_size
from taskgrove.tasks.sources.hub.columns import Kinds, encoded_images, kinds_of, tables_of
from taskgrove.tasks.sources.hub.opened import open_splits

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


@final
class HubSource(AbstractSource):
    """A data set that `save_to_disk` wrote, a folder laid out as on the hub, or a repository of the hub.

    `image` and `label` are features; by themselves those are found that are the only image and the only class
    label, or that have the usual name. Labels may also be whole numbers or texts. All whole numbers become
    columns. Splits without labels are left out. Images are decoded, resized and cached as in `folder`.
    """

    name: ClassVar[str] = "hub"
    summary: ClassVar[str] = (
        "hub:folder or hub:owner/repo[?config=…&label=…&image=…&size=…&revision=…], Hugging Face data sets"
    )

    def normalise(self, argument: str) -> str:
        head, options = _parse(argument)
        check_size(options)
        return join_options(head, options)

    def load(self, argument: str) -> RawData:
        head, options = _parse(self.normalise(argument))
        opened = open_splits(head, options)
        kinds = _kinds(opened, head)
        image = choose_feature("image", options["image"], kinds.images, head, "image")
        others = {*kinds.whole, *kinds.texts} - set(kinds.likely_labels)
        label = choose_feature("label", options["label"], kinds.likely_labels, head, "label", others)
        found, class_names = tables_of(opened, kinds, label)
        tables = with_labels(found, head)
        used = {name: opened[name] for name in tables}
        images = EncodedImages(
            files=[Path(file["filename"]) for split in used.values() for file in split.cache_files],
            num_images=sum(len(split) for split in used.values()),
            chunks=partial(encoded_images, used, image, head),
        )
        decoded = decode_images(images, f"hub 1 {image}", options["size"])
        return as_raw(splits_of(decoded, tables, head), class_names, head)

    def missing(self, argument: str) -> str:
        head, _ = _parse(argument)
        return missing_path(head) if os.path.isabs(head) else ""


def _parse(argument: str) -> tuple[str, dict[str, str]]:
    """The absolute path of a folder, or `owner/repo`; and the options that it may have."""
    head = argument.partition("?")[0]
    defaults = {**FEATURE_OPTIONS, "config": AUTO}
    if head.startswith(("/", ".", "~")) or Path(head).is_dir():
        _, options = split_options(argument, defaults)
        return absolute_path(head), options
    if not _REPOSITORY.fullmatch(head):
        raise TaskDataError(
            f"{head!r} is neither a folder nor a repository; write hub:<folder> or hub:<owner>/<repo>."
        )
    _, options = split_options(argument, {**defaults, "revision": "main"})
    return head, options


def _kinds(opened: Mapping[str, Any], where: str) -> Kinds:
    kinds = [kinds_of(split.features) for split in opened.values()]
    if any(each != kinds[0] for each in kinds[1:]):
        raise TaskDataError(
            f"The splits of {where} do not have the same features; give each a config of its own."
        )
    return kinds[0]
