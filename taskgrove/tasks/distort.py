"""Strong random changes that turn printed characters into something like handwriting, batch by batch.

For pretraining, not for search: the changes that agents choose among are in `augment`. Shapes: B
images, H by W pixels before and S by S after; values are float32 in [0, 1], ink is 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate, max_pool2d

from taskgrove.tasks.augment import Draws

_DEGREES, _LOG_ASPECT, _SHEAR, _SHIFT = 18.0, 0.3, 0.35, 0.12
_ZOOM = (0.85, 1.7)
"""Side of the part of the image that is looked at, as a share of the image; below 1 cuts the edges."""
_BENDS = ((4, 0.14), (8, 0.05))
"""Elastic distortion: knots along a side, standard deviation of their shifts (the image is 2 wide)."""
_NOISE = 0.08


def distort(images_u8: Tensor, size: int, strength: float, generator: torch.Generator) -> Tensor:
    """Training images bent, thickened or thinned, blurred, recoloured and made noisy, each differently.

    Half come out dark on light, half light on dark; most are grey.

    Args:
        images_u8: (B, H, W, C) uint8, light ink on a dark ground.
        size: S.
        strength: 1 for the changes as designed, 0 for none but size, ink and ground.
        generator: On any device; equal states give equal batches.

    Returns:
        (B, 3, S, S) float32 in [-1, 1], on the device of the images.
    """
    draws = Draws(generator=generator, device=images_u8.device, size=len(images_u8))
    ink = images_u8.permute(0, 3, 1, 2).float().mean(dim=1, keepdim=True) / 255
    ink = _bend(_weigh(ink, strength, draws), size, strength, draws)
    ink = _soften(ink, strength, draws)
    noise = torch.randn((len(ink), 1, size, size), generator=generator, device=generator.device)
    level = draws.uniform(-_NOISE, _NOISE, 1, 1, 1).clamp(min=0) * strength
    return ((_paint(ink, draws) + level * noise.to(ink.device)) * 2 - 1).clamp(-1, 1)


def _weigh(ink: Tensor, strength: float, draws: Draws) -> Tensor:
    """Strokes thinner or thicker: from half eroded by a pixel to dilated by almost two."""
    weight = draws.uniform(-0.5, 1.6, 1, 1, 1) * strength
    thick = max_pool2d(ink, 3, stride=1, padding=1)
    thicker = max_pool2d(thick, 3, stride=1, padding=1)
    thin = -max_pool2d(-ink, 3, stride=1, padding=1)
    ink = ink + weight.clamp(0, 1) * (thick - ink) + (weight - 1).clamp(min=0) * (thicker - thick)
    return ink + (-weight).clamp(min=0) * (thin - ink)


def _bend(ink: Tensor, size: int, strength: float, draws: Draws) -> Tensor:
    """A random affine map, then a random smooth displacement."""
    grid = affine_grid(_affine(strength, draws), [len(ink), 1, size, size], align_corners=False)
    for knots, deviation in _BENDS:
        amount = deviation * strength * draws.uniform(0, 1, 1, 1, 1)
        shape = (len(ink), 2, knots, knots)
        shifts = torch.randn(shape, generator=draws.generator, device=draws.generator.device).to(ink.device)
        smooth = interpolate(shifts * amount, (size, size), mode="bicubic", align_corners=True)
        grid = grid + smooth.permute(0, 2, 3, 1)
    return grid_sample(ink, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _affine(strength: float, draws: Draws) -> Tensor:
    """(B, 2, 3) float32: rotation, scale, shear and shift."""
    u = draws.uniform(-1, 1, 6) * strength
    low, high = (math.log(edge) for edge in _ZOOM)
    zoom = (low + high) / 2 * strength + (high - low) / 2 * u[:, 0]
    angle = math.radians(_DEGREES) * u[:, 1] * u[:, 1].abs().sqrt()
    x, y = torch.exp(zoom + _LOG_ASPECT * u[:, 2]), torch.exp(zoom - _LOG_ASPECT * u[:, 2])
    shear = _SHEAR * u[:, 3]
    cos, sin = torch.cos(angle), torch.sin(angle)
    top = torch.stack([x * cos, x * (shear * cos - sin), _SHIFT * u[:, 4]], dim=1)
    bottom = torch.stack([y * sin, y * (shear * sin + cos), _SHIFT * u[:, 5]], dim=1)
    return torch.stack([top, bottom], dim=1)


def _soften(ink: Tensor, strength: float, draws: Draws) -> Tensor:
    """Blur for half of the images, and a random steepness of the strokes' edges."""
    blurred = avg_pool2d(ink, 3, stride=1, padding=1, count_include_pad=False)
    ink = ink + draws.uniform(-1, 1, 1, 1, 1).clamp(min=0) * strength * (blurred - ink)
    return ink.clamp(1e-4, 1) ** torch.exp(draws.uniform(-0.6, 0.6, 1, 1, 1) * strength)


def _paint(ink: Tensor, draws: Draws) -> Tensor:
    """(B, 3, S, S): half of the images are dark on light, a sixth is coloured."""
    u = draws.uniform(0, 1, 4, 1, 1)
    contrast = torch.where(u[:, :1] < 0.5, 1.0, 0.4 + 0.6 * draws.uniform(0, 1, 1, 1, 1))
    ground = (1 - contrast) * u[:, 1:2]
    image = (ground + contrast * ink).expand(-1, 3, -1, -1)
    tint = draws.uniform(0.3, 1, 3, 1, 1)
    image = torch.where(u[:, 2:3] < 1 / 6, image * tint, image)
    return torch.where(u[:, 3:4] < 0.5, 1 - image, image)
