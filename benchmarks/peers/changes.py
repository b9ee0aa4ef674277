"""Random changes of one picture, with Pillow's own operations, as torchvision's transforms call them."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageEnhance

_ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}
_CROP_ATTEMPTS = 10
_Box = tuple[float, float, float, float]


def changed(picture: Image.Image, edge: int, changes: Mapping[str, float]) -> Image.Image:
    """A picture after the changes, resized; in their absence only resized.

    Args:
        picture: RGB.
        edge: Of the result, in pixels.
        changes: `quality`, `area_min` with `aspect_min`, `flip`, `brightness`, `contrast`, `saturation`,
            `hue`: what µ2Net+'s table calls `data.*`.
    """
    if delta := changes.get("quality"):
        picture = compressed(picture, random.randint(int(100 * (1 - delta)), 100))
    box = crop(picture, changes) if changes.get("area_min", 1) < 1 else None
    picture = picture.resize((edge, edge), Image.Resampling.BILINEAR, box)
    if changes.get("flip") and random.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for name, enhancer in _ENHANCERS.items():
        if delta := changes.get(name):
            picture = enhancer(picture).enhance(random.uniform(1 - delta, 1 + delta))
    if delta := changes.get("hue"):
        picture = turned(picture, random.uniform(-delta, delta))
    return picture


def compressed(picture: Image.Image, quality: int) -> Image.Image:
    """As a JPEG and back."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def crop(picture: Image.Image, changes: Mapping[str, float]) -> _Box | None:
    """Left, upper, right, lower; None for the whole picture, where no box was found that fits."""
    width, height = picture.size
    widest = -math.log(changes["aspect_min"])
    for _ in range(_CROP_ATTEMPTS):
        area = width * height * random.uniform(changes["area_min"], 1)
        aspect = math.exp(random.uniform(-widest, widest))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = random.randint(0, width - w), random.randint(0, height - h)
            return left, top, left + w, top + h
    return None


def turned(picture: Image.Image, turns: float) -> Image.Image:
    """With all hues turned."""
    hue, saturation, value = picture.convert("HSV").split()
    hues = np.asarray(hue) + np.uint8(int(turns * 255) % 256)
    return Image.merge("HSV", (Image.fromarray(hues), saturation, value)).convert("RGB")
