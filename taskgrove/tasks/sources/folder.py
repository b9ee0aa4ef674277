"""Folders of image files, one per class: `folder:path/<class>/…` or `folder:path/train/<class>/…`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.arguments import absolute_path, join_options, split_options, whole_number
from taskgrove.tasks.base import AbstractSource, Images, RawData, Split
from taskgrove.tasks.checks import as_raw, as_split
from taskgrove.tasks.decoding import Decode, decode_files, in_parallel
from taskgrove.tasks.mapped import MappedImages

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
_SPLITS = frozenset({"train", "val", "valid", "validation", "test"})
_GREY_MODES = frozenset({"1", "L"})
_DEEP_MODES = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_AUTO_SIZE, _LARGEST_OWN_SIZE = 64, 112

Files = Mapping[str, Mapping[str, list[Path]]]
"""Image files by split and class."""


@final
class FolderSource(AbstractSource):
    """Image files in class folders; grey if all of them are, otherwise RGB.

    Images are resized (bilinear, antialiased) to squares of `size` pixels. `auto` keeps their own
    size when all have the same and none is larger than 112 pixels, and otherwise means 64. Decoded
    images are kept in the machine's cache.
    """

    name: ClassVar[str] = "folder"
    summary: ClassVar[str] = "folder:path[?size=64], one folder of image files per class"

    def normalise(self, argument: str) -> str:
        path, options = split_options(argument, {"size": "auto"})
        if options["size"] != "auto":
            whole_number(options, "size", 1, 1024)
        return join_options(absolute_path(path), options)

    def load(self, argument: str) -> RawData:
        path, options = split_options(self.normalise(argument), {"size": "auto"})
        files = _files(Path(path))
        classes = tuple(sorted({name for by_class in files.values() for name in by_class}))
        paths = [p for by_class in files.values() for group in by_class.values() for p in group]
        version = f"folder 1, Pillow {PIL.__version__}, size {options['size']}"
        images = decode_files(paths, version, partial(_plan, paths, options["size"]))
        return as_raw(_splits(files, classes, images), classes, path)


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


def _plan(paths: Sequence[Path], size: str) -> tuple[tuple[int, int, int], Decode]:
    looked = [seen for part in in_parallel(_look, paths, "looking at images") for seen in part]
    mode = "L" if {mode for _, mode in looked} <= _GREY_MODES else "RGB"
    width, height = _size({own for own, _ in looked}, size)
    shape = height, width, len(mode)
    return shape, partial(_decode, size=(width, height), mode=mode)


def _look(path: Path) -> tuple[tuple[int, int], str]:
    with _open(path) as image:
        return image.size, image.mode


def _size(own: set[tuple[int, int]], wanted: str) -> tuple[int, int]:
    """Width and height that all images get."""
    if wanted != "auto":
        return int(wanted), int(wanted)
    first = next(iter(own))
    return first if len(own) == 1 and max(first) <= _LARGEST_OWN_SIZE else (_AUTO_SIZE, _AUTO_SIZE)


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


def _decode(path: Path, size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    with _open(path) as image:
        if image.mode in _DEEP_MODES:
            raise TaskDataError(
                f"{path} has more than 8 bits per channel ({image.mode}); convert it to 8 bits."
            )
        try:
            flat = _on_white(ImageOps.exif_transpose(image)).convert(mode)
        except (OSError, SyntaxError, ValueError) as error:
            raise TaskDataError(f"{path} is damaged ({error}); remove or replace the file.") from error
    resized = flat if flat.size == size else flat.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(size[1], size[0], len(mode))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image.convert("RGBA"))


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise TaskDataError(f"{path} is not an image that can be read ({error}).") from error
