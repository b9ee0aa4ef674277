"""The strong changes of pretraining: their form, their randomness, and that they happen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from taskgrove.tasks.distort import distort

MANY = 1200


def letters(num: int, side: int, channels: int = 1) -> Tensor:
    """Light crosses off the centre on a dark ground, all the same."""
    image = torch.zeros(side, side, channels, dtype=torch.uint8)
    image[side // 3 : side // 3 + 2, side // 5 : -side // 5] = 255
    image[side // 5 : -side // 5, side // 2 : side // 2 + 2] = 180
    return image.expand(num, -1, -1, -1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grounds(x: Tensor) -> Tensor:
    """(B, 3): the colour that most of each image has."""
    return x.flatten(2).median(dim=2).values


@pytest.mark.parametrize(("side", "size", "channels"), [(20, 20, 1), (20, 32, 1), (40, 16, 3)])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_images_have_the_promised_form(side: int, size: int, channels: int, strength: float) -> None:
    x = distort(letters(50, side, channels), size, strength, seeded(0))
    assert x.shape == (50, 3, size, size)
    assert x.dtype is torch.float32
    assert -1 <= x.min() < -0.5
    assert 0.5 < x.max() <= 1


def test_equal_seeds_give_equal_images() -> None:
    first, again, other = (distort(letters(9, 20), 16, 1.0, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_image_is_changed_in_its_own_way() -> None:
    x = distort(letters(30, 20), 16, 1.0, seeded(0))
    assert len({image.numpy().tobytes() for image in x}) == 30


@pytest.mark.parametrize(("side", "size"), [(20, 20), (40, 20)])
def test_without_strength_only_size_ink_and_ground_change(side: int, size: int) -> None:
    images = letters(60, side)
    plain = interpolate(images.permute(0, 3, 1, 2).float() / 255, (size, size), mode="bilinear")
    x = distort(images, size, 0.0, seeded(0))
    ink = torch.stack([plain[0].flatten(), torch.ones(size * size)], dim=1)
    channels = x.reshape(-1, size * size).T
    mixed = ink @ torch.linalg.lstsq(ink, channels).solution
    torch.testing.assert_close(mixed, channels, rtol=0, atol=1e-3)


def test_with_strength_the_shapes_change() -> None:
    images = letters(200, 20)
    still = distort(images, 20, 0.0, seeded(0)).mean(dim=1).flatten(1)
    bent = distort(images, 20, 1.0, seeded(0)).mean(dim=1).flatten(1)
    alike = torch.stack(
        [torch.corrcoef(torch.stack(pair))[0, 1].abs() for pair in zip(still, bent, strict=True)]
    )
    assert alike.median() < 0.8


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_half_of_the_images_are_dark_on_light(strength: float) -> None:
    x = distort(letters(MANY, 20), 20, strength, seeded(0))
    inverted = grounds(x).mean(dim=1) > x.mean(dim=(1, 2, 3))
    assert 0.45 < inverted.float().mean() < 0.55


def test_a_sixth_of_the_images_is_coloured() -> None:
    x = distort(letters(MANY, 20), 20, 1.0, seeded(0))
    coloured = (x.amax(dim=1) - x.amin(dim=1)).amax(dim=(1, 2)) > 1e-3
    assert 0.12 < coloured.float().mean() < 0.22


def test_strokes_become_thicker_and_thinner() -> None:
    x = distort(letters(MANY, 40), 40, 1.0, seeded(0))
    ground = grounds(x)[:, :, None, None]
    contrast = (x - ground).abs().amax(dim=(1, 2, 3))
    share = ((x - ground).abs().amax(dim=1) > contrast[:, None, None] / 2).float().mean(dim=(1, 2))
    plain = (letters(1, 40) > 100).float().mean()
    assert (share < 0.7 * plain).float().mean() > 0.05
    assert (share > 1.5 * plain).float().mean() > 0.05


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_generator_on_the_cpu_serves_images_on_a_gpu() -> None:
    here, there = (distort(letters(8, 20).to(d), 16, 1.0, seeded(0)) for d in ("cpu", "cuda"))
    assert there.device.type == "cuda"
    torch.testing.assert_close(there.cpu(), here, rtol=0, atol=1e-3)
