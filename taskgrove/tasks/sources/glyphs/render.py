"""Draws one character as a small grey image, a little different each time."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_MASTER = 128
"""Side in pixels of the square in which a character is drawn once, before it is bent."""
_LONGEST = 72
"""Pixels of the longer side of a character in it; the rest is room for strokes."""
_SUPERSAMPLE = 2
_MAX_DEGREES, _MAX_SHEAR, _MAX_STROKE = 15.0, 0.15, 2
_SMALLEST, _LARGEST = 0.55, 0.72
"""Longer side of a drawn character as a share of the image's side."""
_NUM_DRAWS = 9


def draw(path: Path, character: str, size: int, seed: int) -> NDArray[np.uint8]:
    """A light character on a dark ground, with random place, form, weight and noise.

    Args:
        path: Font file.
        character: One that the font holds.
        size: Height and width of the image in pixels.
        seed: The same seed draws the same image.

    Returns:
        (size, size) uint8.
    """
    rng = np.random.RandomState(seed % 2**32)  # its stream is frozen; that of default_rng is not
    u = rng.random_sample(_NUM_DRAWS)
    master = _master(path, character, int(u[0] * (_MAX_STROKE + 1)))
    canvas = size * _SUPERSAMPLE
    bent = master.transform(
        (canvas, canvas), Image.Transform.AFFINE, _affine(u[1:7], canvas), Image.Resampling.BILINEAR
    )
    ink = np.asarray(bent.reduce(_SUPERSAMPLE), np.float64) / 255
    ground, light = 40 * u[7], 160 + 95 * u[8]
    noise = (rng.random_sample((size, size)) - 0.5) * 24
    image = ground + (light - ground) * ink + noise
    return np.asarray(image.round().clip(0, 255), np.uint8)


def _affine(u: NDArray[np.float64], canvas: int) -> tuple[float, float, float, float, float, float]:
    """Maps a pixel of the canvas to one of the master: PIL asks for the inverse of the motion."""
    angle = math.radians((2 * u[0] - 1) * _MAX_DEGREES)
    shear = (2 * u[1] - 1) * _MAX_SHEAR
    share = _SMALLEST + (_LARGEST - _SMALLEST) * u[2]
    zoom = _LONGEST / (share * canvas) * np.array([1.0, 0.9 + 0.2 * u[3]])
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    matrix = np.diag(zoom) @ np.array([[1.0, shear], [0.0, 1.0]]) @ turn
    slack = (1 - share) / 2 * canvas * 0.45
    centre = canvas / 2 + (2 * u[4:6] - 1) * slack
    a, b = matrix[0]
    d, e = matrix[1]
    c, f = _MASTER / 2 - matrix @ centre
    return float(a), float(b), float(c), float(d), float(e), float(f)


@lru_cache(maxsize=4096)
def _master(path: Path, character: str, stroke: int) -> Image.Image:
    """The character upright, centred, its longer side `_LONGEST` pixels before the stroke."""
    left, top, right, bottom = _font(path, 100).getbbox(character)
    points = max(1, round(100 * _LONGEST / max(right - left, bottom - top, 1)))
    font = _font(path, points)
    left, top, right, bottom = font.getbbox(character)
    image = Image.new("L", (_MASTER, _MASTER), 0)
    corner = ((_MASTER - left - right) / 2, (_MASTER - top - bottom) / 2)
    ImageDraw.Draw(image).text(corner, character, fill=255, font=font, stroke_width=stroke)
    return image


@lru_cache(maxsize=256)
def _font(path: Path, points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), points, layout_engine=ImageFont.Layout.BASIC)
