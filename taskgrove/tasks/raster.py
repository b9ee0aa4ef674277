"""Encoded images (PNG, JPEG, …) of any size, turned into arrays of one size, grey or RGB."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps

from taskgrove.domain.errors import TaskDataError

_GREY_MODES = frozenset({"1", "L"})
_DEEP_MODES = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_AUTO_SIZE, _LARGEST_OWN_SIZE = 64, 112
_HIGHEST_SIDE = 1024
_SIZE = re.compile(r"(\d{1,4})(?:x(\d{1,4}))?", re.ASCII)

DECODER = f"Pillow {PIL.__version__}"
"""What decodes; part of the name of what is kept."""


@final
@dataclass(frozen=True, slots=True)
class Encoded:
    """An image as it is stored.

    Attributes:
        content: Its file, or the bytes of one.
        where: What it is called in messages.
    """

    content: Path | bytes
    where: str


@final
@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of an image without decoding it: width and height in pixels, and whether it is grey."""

    width: int
    height: int
    grey: bool


@final
@dataclass(frozen=True, slots=True)
class Form:
    """What all images of a data set become."""

    height: int
    width: int
    channels: int


def check_size(options: Mapping[str, str]) -> None:
    """Refuse an option `size` that is neither `auto` nor a side nor `<height>x<width>`.

    Raises:
        TaskDataError: It is not, or a side is not from 1 to 1024 pixels.
    """
    if options["size"] != "auto":
        _sides(options["size"])


def form_of(looks: Iterable[Look], size: str) -> Form:
    """Grey if all images are, otherwise RGB.

    Args:
        looks: Of all images; at least one.
        size: A side, `<height>x<width>`, or `auto`: the images' own size when all have the same and none is
            larger than 112 pixels, and otherwise 64.
    """
    seen = set(looks)
    height, width = (
        _own_size({(look.height, look.width) for look in seen}) if size == "auto" else _sides(size)
    )
    return Form(height, width, 1 if all(look.grey for look in seen) else 3)


def look_at(image: Encoded) -> Look:
    """Its size and colours.

    Raises:
        TaskDataError: It is not an image.
    """
    with _open(image) as opened:
        return Look(*opened.size, grey=opened.mode in _GREY_MODES)


def decode(image: Encoded, form: Form) -> NDArray[np.uint8]:
    """The image, upright and on white, resized (bilinear, antialiased).

    Returns:
        (H, W, C) uint8.

    Raises:
        TaskDataError: It is damaged, not an image, or has more than 8 bits per channel.
    """
    mode, size = "L" if form.channels == 1 else "RGB", (form.width, form.height)
    with _open(image) as opened:
        if opened.mode in _DEEP_MODES:
            raise TaskDataError(
                f"{image.where} has more than 8 bits per channel ({opened.mode}); convert it to 8 bits."
            )
        try:
            flat = _on_white(ImageOps.exif_transpose(opened)).convert(mode)
        except (OSError, SyntaxError, ValueError) as error:
            raise TaskDataError(f"{image.where} is damaged ({error}); remove or replace it.") from error
    resized = flat if flat.size == size else flat.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(form.height, form.width, form.channels)


def _sides(size: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(size)
    sides = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not all(1 <= side <= _HIGHEST_SIDE for side in sides):
        raise TaskDataError(
            f"The option size must be auto, a side from 1 to {_HIGHEST_SIDE} pixels or <height>x<width>, "
            f"got {size!r}."
        )
    return sides


def _own_size(own: set[tuple[int, int]]) -> tuple[int, int]:
    first = next(iter(own))
    return first if len(own) == 1 and max(first) <= _LARGEST_OWN_SIZE else (_AUTO_SIZE, _AUTO_SIZE)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image.convert("RGBA"))


def _open(image: Encoded) -> Image.Image:
    content = image.content
    try:
        return Image.open(io.BytesIO(content) if isinstance(content, bytes) else content)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise TaskDataError(f"{image.where} is not an image that can be read ({error}).") from error
