"""Folders of image files, one per class: `folder:path/<class>/…` or `folder:path/train/<class>/…`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.arguments import absolute_path, join_options, missing_path, split_options
from taskgrove.tasks.base import AbstractSource, Images, RawData, Split
from taskgrove.tasks.checks import as_raw, as_split
from taskgrove.tasks.decoding import EncodedImages, decode_images
from taskgrove.tasks.mapped import MappedImages
from taskgrove.tasks.raster import check_size

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
_SPLITS = frozenset({"train", "val", "valid", "validation", "test"})

Files = Mapping[str, Mapping[str, list[Path]]]
"""Image files by split and class."""


@final
class FolderSource(AbstractSource):
    """Image files in class folders; grey if all of them are, otherwise RGB.

    Images are resized (bilinear, antialiased) to `size`: a side in pixels, or `<height>x<width>`. `auto`
    keeps their own size when all have the same and none is larger than 112 pixels, and otherwise means 64.
    Decoded images are kept in the machine's cache.
    """

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "folder:path[?size=64], one folder of image files per class"

    def normalise(self, argument: str) -> str:
        path, options = split_options(argument, {"size": "auto"})
        check_size(options)
        return join_options(absolute_path(path), options)

    def load(self, argument: str) -> RawData:
        path, options = split_options(self.normalise(argument), {"size": "auto"})
        files = _files(Path(path))
        classes = tuple(sorted({name for by_class in files.values() for name in by_class}))
        paths = [p for by_class in files.values() for group in by_class.values() for p in group]
        images = decode_images(EncodedImages.of_files(paths), "folder 1", options["size"])
        return as_raw(_splits(files, classes, images), classes, path)

    def missing(self, argument: str) -> str:
        return missing_path(argument.partition("?")[0])


def _files(root: Path) -> Files:
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise TaskDataError(
            f"{root} {what}; folder:<path> needs a folder with one folder of images per class."
        )
    folders = _folders(root)
    if folders and all(folder.name in _SPLITS for folder in folders):
        return {folder.name: _classes(folder) for folder in folders}
    return {"all": _classes(root)}


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _classes(root: Path) -> dict[str, list[Path]]:
    classes = {folder.name: _images(folder) for folder in _folders(root)}
    if not classes:
        raise TaskDataError(
            f"{root} has no class folders; put the images of each class in a folder of its own."
        )
    empty = [name for name, paths in classes.items() if not paths]
    if empty:
        raise TaskDataError(
            f"{root} has class folders without images ({', '.join(empty[:5])}); "
            f"remove them or add files ending in {', '.join(sorted(_SUFFIXES))}."
        )
    return classes


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and not p.name.startswith("."))


def _splits(files: Files, classes: Sequence[str], images: Images | MappedImages) -> dict[str, Split]:
    """The images, which are in the order of the files, by split."""
    number = {name: label for label, name in enumerate(classes)}
    splits: dict[str, Split] = {}
    first = 0
    for name, by_class in files.items():
        labels = [number[of] for of, paths in by_class.items() for _ in paths]
        rows = slice(first, first + len(labels))
        splits[name] = as_split(images[rows], np.array(labels, np.int64), "The folder")
        first = rows.stop
    return splits
