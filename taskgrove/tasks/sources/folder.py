"""Folders of image files, one per class: `folder:path/<class>/…` or `folder:path/train/<class>/…`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.arguments import absolute_path, join_options, split_options, whole_number
from taskgrove.tasks.base import AbstractSource, RawData, Split
from taskgrove.tasks.checks import as_raw, as_split

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
    size when all have the same and none is larger than 112 pixels, and otherwise means 64.
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
        size, mode = _form(paths, options["size"])
        splits = {name: _split(by_class, classes, size, mode) for name, by_class in files.items()}
        return as_raw(splits, classes, path)


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


def _form(paths: list[Path], size: str) -> tuple[tuple[int, int], str]:
    """Width and height, and the mode `L` or `RGB`, that all images get."""
    sizes, modes = set(), set()
    for path in paths:
        with _open(path) as image:
            sizes.add(image.size)
            modes.add(image.mode)
    mode = "L" if modes <= _GREY_MODES else "RGB"
    if size != "auto":
        return (int(size), int(size)), mode
    own = next(iter(sizes))
    return (own if len(sizes) == 1 and max(own) <= _LARGEST_OWN_SIZE else (_AUTO_SIZE, _AUTO_SIZE)), mode


def _split(
    by_class: Mapping[str, list[Path]], classes: tuple[str, ...], size: tuple[int, int], mode: str
) -> Split:
    pairs = [(path, classes.index(name)) for name, paths in by_class.items() for path in paths]
    images = np.stack([_decode(path, size, mode) for path, _ in pairs])
    return as_split(images, np.array([label for _, label in pairs], np.int64), "The folder")


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
    return np.asarray(flat if flat.size == size else flat.resize(size, Image.Resampling.BILINEAR))


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
