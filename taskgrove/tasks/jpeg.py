"""What compression as JPEG makes of many images at a time: Pillow takes 100 µs for a small one by itself.

JPEG codes blocks of 8 by 8 pixels by themselves. So images of one quality lie below each other in one
picture. Colours, which the standard halves before, and smooths over the edges of blocks after, are converted,
halved and smoothed here, with libjpeg's integers. The result is Pillow's, to the last bit.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

U8Array = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int32]

BLOCK = 8
MOST_ROWS = 65_000
"""Of a picture; the standard allows 65,535."""
NARROW = 2
"""Columns of halved colours that are not smoothed."""
SMALL = 64 * 64
"""Pixels of a coloured image; larger ones libjpeg converts faster than what is done here."""

# fmt: off
TINTS = (
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    *(99,) * 32,
)
# fmt: on
"""The standard's table for colours (annex K.1)."""
_HALF = 1 << 15
_MIDDLE = (128 << 16) + _HALF - 1


def compressed(images: U8Array, qualities: Sequence[int]) -> U8Array:
    """Images after compression, each with its own quality.

    Args:
        images: (B, H, W, C), C 1 or 3.
        qualities: Of each, from 0 to 100.
    """
    _, height, width, channels = images.shape
    chosen = np.asarray(qualities, dtype=np.int32)
    pictures = channels * len(np.unique(chosen))
    if pictures > len(images) or (channels == 3 and height * width > SMALL):
        return one_by_one(images, qualities)
    return _coloured(images, chosen) if channels == 3 else _planes(images[..., 0], chosen)[..., None]


def one_by_one(images: U8Array, qualities: Sequence[int]) -> U8Array:
    """The same by as many calls of Pillow as there are images."""
    plain = images[..., 0] if images.shape[-1] == 1 else images
    coded = [_coded(image, quality) for image, quality in zip(plain, qualities, strict=True)]
    return np.stack(coded).reshape(images.shape)


def _coloured(images: U8Array, qualities: IntArray) -> U8Array:
    """Brightness at full size, the two differences of colour at half of it."""
    red, green, blue = np.ascontiguousarray(np.moveaxis(images, 3, 0)).astype(np.int32)
    light = (19595 * red + 38470 * green + 7471 * blue + _HALF) >> 16
    blues = (-11058 * red - 21710 * green + 32768 * blue + _MIDDLE) >> 16
    reds = (32768 * red - 27439 * green - 5329 * blue + _MIDDLE) >> 16
    halved = _halved(np.concatenate((blues, reds)))
    light = _planes(light.astype(np.uint8), qualities).astype(np.int32)
    tints = _planes(halved.astype(np.uint8), np.tile(qualities, 2), TINTS).astype(np.int32)
    blues, reds = np.split(_doubled(tints, *images.shape[1:3]) - 128, 2)
    done = np.empty_like(images)
    for place, change in enumerate((91881 * reds, -22554 * blues - 46802 * reds, 116130 * blues)):
        done[..., place] = (light + ((change + _HALF) >> 16)).clip(0, 255)
    return done


def _halved(planes: IntArray) -> IntArray:
    """Means of 2 by 2 pixels, rounded down and up in turn; the last column fills up whole blocks, before."""
    _, height, width = planes.shape
    x = np.pad(planes, ((0, 0), (0, height % 2), (0, -width % (2 * BLOCK))), mode="edge")
    sums = x[:, ::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, ::2] + x[:, 1::2, 1::2]
    sums[:, :, ::2] += 1
    sums[:, :, 1::2] += 2
    return sums >> 2


def _doubled(planes: IntArray, height: int, width: int) -> IntArray:
    """Each pixel as four, of 9/16 of its own value, 3/16 of each of the two nearest, 1/16 of the next.

    Args:
        planes: Halved, with what fills up blocks.
        height, width: Of the result.
    """
    x = planes[:, :, : -(-width // 2)]
    if x.shape[2] <= NARROW:
        return x.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
    rows = np.pad(x, ((0, 0), (1, 1), (0, 0)), mode="edge")
    x = _between(3 * x + rows[:, :-2], 3 * x + rows[:, 2:], axis=1)
    columns = np.pad(x, ((0, 0), (0, 0), (1, 1)), mode="edge")
    left, right = (3 * x + columns[:, :, :-2] + 8) >> 4, (3 * x + columns[:, :, 2:] + 7) >> 4
    return _between(left, right, axis=2)[:, :height, :width]


def _between(first: IntArray, second: IntArray, axis: int) -> IntArray:
    """One of the first, one of the second, and so on."""
    _, height, width = first.shape
    shape = (-1, 2 * height, width) if axis == 1 else (-1, height, 2 * width)
    return np.stack((first, second), axis=axis + 1).reshape(shape)


def _planes(planes: U8Array, qualities: IntArray, table: Sequence[int] | None = None) -> U8Array:
    """Planes after compression, those of one quality in one picture, or in several that the standard allows.

    Args:
        planes: (B, H, W).
        qualities: (B,).
        table: Of quantisation, before it is scaled by the quality; the standard's for grey by default.
    """
    _, height, width = planes.shape
    padded = np.pad(planes, ((0, 0), (0, -height % BLOCK), (0, -width % BLOCK)), mode="edge")
    done, at_once = np.empty_like(padded), max(1, MOST_ROWS // padded.shape[1])
    for quality in np.unique(qualities):
        (places,) = np.nonzero(qualities == quality)
        for start in range(0, len(places), at_once):
            some = places[start : start + at_once]
            picture = padded[some].reshape(-1, padded.shape[2])
            done[some] = _coded(picture, int(quality), table).reshape(-1, *padded.shape[1:])
    return done[:, :height, :width]


def _coded(image: U8Array, quality: int, table: Sequence[int] | None = None) -> U8Array:
    buffer = io.BytesIO()
    tables = {} if table is None else {"qtables": [table]}
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, **tables)
    return np.asarray(Image.open(buffer, formats=("JPEG",)))
