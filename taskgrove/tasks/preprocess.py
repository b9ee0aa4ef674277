"""Prepares images for a backbone: resizing always, random changes in training (µ2Net+, Table 1)."""

from __future__ import annotations

import torch
from torch import Tensor

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import Choice, Hparams, Space
from taskgrove.tasks import augment

RESOLUTION = "data.resolution"
"""Side of the prepared images in pixels; its values are declared by the backbone family."""

_DELTAS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
_DELTA_NAMES = ("data.brightness", "data.contrast", "data.saturation", "data.hue", "data.quality")
OF_COLOURS = ("data.saturation", "data.hue")
"""Grey has neither."""


def _space(area: tuple[Choice, Choice, Choice], quality: tuple[float, ...]) -> Space:
    deltas = dict.fromkeys(_DELTA_NAMES, _DELTAS) | {"data.quality": quality}
    return Space((*area, *(Choice(name=name, values=v, default=0.0) for name, v in deltas.items())))


MU2NET_PLUS_PREPROCESS = _space(
    (
        Choice(name="data.area_min", values=(0.05, 0.5, 0.95, 1.0), default=1.0),
        Choice(name="data.aspect_min", values=(0.5, 0.75, 1.0), default=1.0),
        Choice(name="data.flip", values=(False, True), default=False, ordered=False),
    ),
    _DELTAS,
)
"""Preprocessing in Table 1 of µ2Net+ (Gesmundo, 2022), with its defaults: nothing random.

`area_min` and `aspect_min` bound the random crop, which happens only for `area_min` < 1; `flip`
mirrors; the others are the largest deviation of brightness, contrast, saturation, hue and JPEG
quality.
"""

MUNET_PREPROCESS = _space(
    (
        Choice(name="data.area_min", values=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0), default=0.05),
        Choice(name="data.aspect_min", values=(0.25, 0.5, 0.75, 1.0), default=0.75),
        Choice(name="data.flip", values=(False, True), default=True, ordered=False),
    ),
    (0.0,),
)
"""Preprocessing of muNet (Gesmundo & Dean, 2022a), §3, and of µ2Net, which begin with a crop and a
flip, as recommended for natural images; no change of JPEG quality. The defaults of the crop are
those of the authors' notebooks."""


def train_batch(
    images_u8: Tensor, hparams: Hparams, generator: torch.Generator, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Training images with the random changes that the hyperparameters ask for.

    Order: JPEG, crop with resize, flip, brightness, contrast, saturation, hue.

    Args:
        images_u8: (B, H, W, C) uint8, C 1 or 3, on any device.
        hparams: With `data.resolution` (S); missing ones have the default of µ2Net+.
        generator: Equal states give equal batches.
        dtype: Of the result, to which float32 is rounded at the end.

    Returns:
        (B, 3, S, S) in [-1, 1], on the device of the images.

    Raises:
        BadValueError: A hyperparameter is missing or not a number.
    """
    draws = augment.Draws(generator=generator, device=images_u8.device, size=len(images_u8))
    if quality := _number(hparams, "data.quality"):
        images_u8 = augment.jpeg(images_u8, quality, draws)
    x = _geometry(_unit(images_u8), hparams, draws)
    return _signed(_colours(x, hparams, draws), dtype)


def eval_batch(images_u8: Tensor, hparams: Hparams, dtype: torch.dtype = torch.float32) -> Tensor:
    """Images as they are, resized; see `train_batch`."""
    return _signed(augment.resize(_unit(images_u8), _resolution(hparams)), dtype)


def is_deterministic(hparams: Hparams, channels: int) -> bool:
    """Whether training images are not changed at random, so that they may be prepared once.

    Args:
        hparams: See `train_batch`.
        channels: Of the images, 1 or 3.
    """
    area_is_whole = _number(hparams, "data.area_min") >= 1
    names = ("data.flip", *(name for name in _DELTA_NAMES if channels > 1 or name not in OF_COLOURS))
    return area_is_whole and not any(_number(hparams, name) for name in names)


def _geometry(x: Tensor, hparams: Hparams, draws: augment.Draws) -> Tensor:
    area_min, aspect_min = _number(hparams, "data.area_min"), _number(hparams, "data.aspect_min")
    if area_min < 1:
        boxes = augment.crop_boxes(x.shape[-2], x.shape[-1], area_min, aspect_min, draws)
        x = augment.crop_and_resize(x, boxes, _resolution(hparams))
    else:
        x = augment.resize(x, _resolution(hparams))
    return augment.flip(x, draws) if _number(hparams, "data.flip") else x


def _colours(x: Tensor, hparams: Hparams, draws: augment.Draws) -> Tensor:
    if delta := _number(hparams, "data.brightness"):
        x = augment.brightness(x, delta, draws)
    if delta := _number(hparams, "data.contrast"):
        x = augment.contrast(x, delta, draws)
    if x.shape[1] == 1:
        return x
    if delta := _number(hparams, "data.saturation"):
        x = augment.saturation(x, delta, draws)
    if delta := _number(hparams, "data.hue"):
        x = augment.hue(x, delta, draws)
    return x


def _unit(images_u8: Tensor) -> Tensor:
    """(B, H, W, C) uint8 to (B, C, H, W) float32 in [0, 1]."""
    return images_u8.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def _signed(x: Tensor, dtype: torch.dtype) -> Tensor:
    """[0, 1] to [-1, 1], grey to three equal channels; `x` is nobody else's."""
    return x.mul_(2).sub_(1).clamp_(-1, 1).to(dtype).expand(-1, 3, -1, -1).contiguous()


def _resolution(hparams: Hparams) -> int:
    if RESOLUTION not in hparams:
        raise BadValueError(
            f"{RESOLUTION} is missing; the backbone family declares it. Given: {sorted(hparams)}."
        )
    return int(hparams[RESOLUTION])


def _number(hparams: Hparams, name: str) -> float:
    return float(hparams.get(name, MU2NET_PLUS_PREPROCESS[name].default))
