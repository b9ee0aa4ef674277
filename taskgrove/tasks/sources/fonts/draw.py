"""Draws a script with one font, or says that the font cannot."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_ABSENT = "\U000e1234"
"""A code point that no font holds: what it looks like is the font's sign for a missing glyph."""
_DISTINCT = 0.9
"""Share of a script's characters that must look different; a font of placeholders has one look."""
_SHARE = 0.8
"""Longer side of a drawn character as a share of the image's side."""

Drawing = NDArray[np.uint8]


def draw_script(font: ImageFont.FreeTypeFont, characters: str, size: int) -> Drawing | None:
    """Every character, light on dark, centred, all with the same longer side.

    Args:
        font: Opened at `size` pixels.
        characters: Each a single code point.
        size: Height and width of the images in pixels.

    Returns:
        (len(characters), size, size) uint8; None when the font lacks one of them, has nothing to show for
        it, or draws most alike.
    """
    absent = _mask(font, _ABSENT)
    spread = (characters[0], characters[-1], characters[len(characters) // 2], *characters)
    if any(_mask(font, character) in (b"", absent) for character in spread):
        return None
    drawn = np.stack([_draw(font, character, size) for character in characters])
    distinct = len({image.tobytes() for image in drawn})
    return drawn if distinct >= _DISTINCT * len(characters) else None


def _mask(font: ImageFont.FreeTypeFont, character: str) -> bytes:
    """The pixels of a character as drawn; empty when there are none."""
    mask = font.getmask(character, mode="L")
    return bytes(mask) if mask.getbbox() is not None else b""


def _draw(font: ImageFont.FreeTypeFont, character: str, size: int) -> Drawing:
    left, top, right, bottom = font.getbbox(character)
    points = max(1, math.floor(size * _SHARE * size / max(right - left, bottom - top, 1)))
    fitted = font.font_variant(size=min(points, 8 * size))
    left, top, right, bottom = fitted.getbbox(character)
    image = Image.new("L", (size, size), 0)
    corner = ((size - left - right) / 2, (size - top - bottom) / 2)
    ImageDraw.Draw(image).text(corner, character, fill=255, font=fitted)
    return np.asarray(image)
