"""Random changes of training images, drawn per image and computed per batch (µ2Net+, Table 1).

Shapes: B images, C channels (1 or 3), H by W pixels, S the side after resizing. Values are float32
in [0, 1] unless a name ends in `_u8`. The semantics are those of TensorFlow's image operations,
which the papers use, but for these: values are not rounded to integers between operations, and
colours change after the crop has been resized, so that a batch has one shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from taskgrove.tasks.jpeg import compressed

_CROP_ATTEMPTS = 100
_DENSE = 400
"""Products per pixel up to which resizing is faster by products of matrices, on one core with AVX-512."""
_TINY = 1e-8
"""Instead of a chroma of 0, to divide by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Random numbers for a batch: one generator, numbers on the images' device.

    Attributes:
        generator: The only source of randomness, on any device.
        device: Where the numbers are needed.
        size: B.
    """

    generator: torch.Generator
    device: torch.device
    size: int

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """(B, *shape) float32 in [low, high)."""
        unit = torch.rand((self.size, *shape), generator=self.generator, device=self.generator.device)
        return (low + (high - low) * unit).to(self.device)


def jpeg(images_u8: Tensor, delta: float, draws: Draws) -> Tensor:
    """Compresses each image with a quality from [int(100 (1 - delta)), 100]; on the CPU.

    Args:
        images_u8: (B, H, W, C) uint8.
        delta: In [0, 1].
        draws: For the qualities.
    """
    lowest = int(100 * (1 - delta))
    qualities = draws.uniform(lowest, 101).long().clamp(max=100).tolist()
    done = compressed(images_u8.cpu().numpy(), qualities)
    return torch.from_numpy(done).to(images_u8.device)


def crop_boxes(height: int, width: int, area_min: float, aspect_min: float, draws: Draws) -> Tensor:
    """Random boxes as TensorFlow's `sample_distorted_bounding_box` draws them.

    The aspect (width over height) is uniform in [aspect_min, 1 / aspect_min], the height uniform
    among the whole numbers for which the box fits and has an area in [area_min, 1] of the image; an
    aspect for which there is none is drawn again, at last the whole image is taken.

    Args:
        height: H.
        width: W.
        area_min: In (0, 1].
        aspect_min: In (0, 1].
        draws: For aspects, heights and places.

    Returns:
        (B, 4) float32: top, left, height, width, whole numbers of pixels.
    """
    aspect = draws.uniform(aspect_min, 1 / aspect_min, _CROP_ATTEMPTS)
    least = torch.round(torch.sqrt(area_min * height * width / aspect))
    most = torch.round(torch.sqrt(height * width / aspect))
    most = torch.minimum(most, torch.floor((width + 0.5 - 1e-4) / aspect)).clamp(max=height)
    least = torch.minimum(least, most)
    h = least + torch.floor(draws.uniform(0, 1, _CROP_ATTEMPTS) * (most - least + 1))
    w = torch.round(h * aspect)
    h = torch.where(h * w < area_min * height * width, h + 1, h)  # TensorFlow, too, forgives rounding
    w = torch.round(h * aspect)
    fits = (h * w >= area_min * height * width) & (h <= height) & (w <= width) & (h >= 1) & (w >= 1)
    first = fits.to(torch.uint8).argmax(dim=1, keepdim=True)
    found = fits.gather(1, first)[:, 0]
    h = torch.where(found, h.gather(1, first)[:, 0], height)
    w = torch.where(found, w.gather(1, first)[:, 0], width)
    place = draws.uniform(0, 1, 2)
    top, left = torch.floor(place[:, 0] * (height - h + 1)), torch.floor(place[:, 1] * (width - w + 1))
    return torch.stack([top, left, h, w], dim=1)


def crop_and_resize(x: Tensor, boxes: Tensor, size: int) -> Tensor:
    """The inside of each box at size by size pixels: bilinear, pixel centres aligned, no antialiasing.

    Args:
        x: (B, C, H, W).
        boxes: (B, 4), see `crop_boxes`.
        size: S.

    Returns:
        (B, C, S, S).
    """
    height, width = x.shape[-2:]
    top, left, h, w = (boxes[:, i, None] for i in range(4))
    centre = (torch.arange(size, device=x.device) + 0.5) / size
    ys = top + (centre * h - 0.5).clamp(min=0).minimum(h - 1)
    xs = left + (centre * w - 0.5).clamp(min=0).minimum(w - 1)
    grid_y = ((2 * ys + 1) / height - 1)[:, :, None].expand(-1, size, size)
    grid_x = ((2 * xs + 1) / width - 1)[:, None, :].expand(-1, size, size)
    grid = torch.stack([grid_x, grid_y], dim=-1)
    return grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def resize(x: Tensor, size: int) -> Tensor:
    """(B, C, H, W) to (B, C, S, S): bilinear, pixel centres aligned, no antialiasing.

    On a CPU small images are resized by two products with the weights of rows and of columns, which takes a
    fourth to an eighth of the time of PyTorch's interpolation; float32 values differ by their last bits.
    """
    *images, height, width = x.shape
    if (height, width) == (size, size):
        return x
    if x.device.type == "cpu" and height * width / size + width <= _DENSE:
        rows, columns = _weights(height, size), _weights(width, size).T
        # A product per plane: in one of all rows, the last bits of some depend on where they stand.
        planes = x.reshape(-1, height, width)
        planes = planes @ columns.expand(len(planes), -1, -1)
        return (rows.expand(len(planes), -1, -1) @ planes).view(*images, size, size)
    return _interpolated(x, (size, size))


@lru_cache(maxsize=256)
def _weights(length: int, size: int) -> Tensor:
    """(S, length): what each pixel of a side gives to each pixel of the resized one."""
    with torch.inference_mode(mode=False):
        return _interpolated(torch.eye(length)[None, None], (size, length))[0, 0]


def _interpolated(x: Tensor, shape: tuple[int, int]) -> Tensor:
    return interpolate(x, shape, mode="bilinear", align_corners=False, antialias=False)


def flip(x: Tensor, draws: Draws) -> Tensor:
    """Mirrors every other image, on average, left to right."""
    return torch.where(draws.uniform(0, 1, 1, 1, 1) < 0.5, x.flip(-1), x)


def brightness(x: Tensor, delta: float, draws: Draws) -> Tensor:
    """Adds a number from [-delta, delta] to all values of an image."""
    return (x + draws.uniform(-delta, delta, 1, 1, 1)).clamp(0, 1)


def contrast(x: Tensor, delta: float, draws: Draws) -> Tensor:
    """Scales the distance from each channel's mean by a factor from [1 - delta, 1 + delta]."""
    mean = x.mean(dim=(-2, -1), keepdim=True)
    return (mean + (x - mean) * draws.uniform(1 - delta, 1 + delta, 1, 1, 1)).clamp(0, 1)


def saturation(x: Tensor, delta: float, draws: Draws) -> Tensor:
    """Scales the saturation (of HSV) by a factor from [1 - delta, 1 + delta]; grey stays grey.

    Hue and value stay as they are, so that all channels move along the line from the value to themselves.
    """
    value, chroma = _value_and_chroma(x)
    factor = draws.uniform(1 - delta, 1 + delta, 1, 1, 1)
    most = value / chroma.clamp(min=_TINY)  # at which the saturation is 1
    return value - (value - x) * torch.minimum(factor, most)


def hue(x: Tensor, delta: float, draws: Draws) -> Tensor:
    """Turns the hue (of HSV, a full turn is 1) by an angle from [-delta, delta]; grey stays grey."""
    value, chroma = _value_and_chroma(x)
    red, green, blue = torch.split(x, 1, dim=1)
    safe = chroma.clamp(min=_TINY)
    sixths = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixths = sixths + 6 * draws.uniform(-delta, delta, 1, 1, 1)
    # Red equals the value up to a sixth of a turn from 0, and from two sixths on it lies below by the chroma.
    away = sixths - torch.arange(0, 6, 2, device=x.device).view(3, 1, 1)
    away = away.sub_(torch.round(away / 6).mul_(6)).abs_()
    return value - chroma * away.sub_(1).clamp_(0, 1)


def _value_and_chroma(x: Tensor) -> tuple[Tensor, Tensor]:
    """The largest channel (B, 1, H, W), and by how much the smallest is below."""
    value = x.amax(1, keepdim=True)
    return value, value - x.amin(1, keepdim=True)
