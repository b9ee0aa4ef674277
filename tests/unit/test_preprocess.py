"""Every preprocessing operation against a plain computation, image by image."""

from __future__ import annotations

import colorsys
import io
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import HparamValue
from taskgrove.tasks import augment
from taskgrove.tasks.preprocess import MU2NET_PLUS_PREPROCESS, eval_batch, is_deterministic, train_batch


def batch(count: int = 6, size: int = 8, channels: int = 3, width: int | None = None) -> Tensor:
    shape = (count, size, width or size, channels)
    return torch.from_numpy(np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8))


def unit(images_u8: Tensor) -> Tensor:
    return images_u8.permute(0, 3, 1, 2).float() / 255


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draws(size: int, seed: int = 0) -> augment.Draws:
    return augment.Draws(generator=seeded(seed), device=torch.device("cpu"), size=size)


def with_(**changes: HparamValue) -> dict[str, HparamValue]:
    named = {f"data.{name}": value for name, value in changes.items()}
    return {**MU2NET_PLUS_PREPROCESS.defaults(), "data.resolution": 8, **named}


def test_the_space_is_that_of_table_1() -> None:
    deltas = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
    assert {choice.name: (choice.values, choice.default) for choice in MU2NET_PLUS_PREPROCESS} == {
        "data.area_min": ((0.05, 0.5, 0.95, 1.0), 1.0),
        "data.aspect_min": ((0.5, 0.75, 1.0), 1.0),
        "data.flip": ((False, True), False),
        "data.brightness": (deltas, 0.0),
        "data.contrast": (deltas, 0.0),
        "data.saturation": (deltas, 0.0),
        "data.hue": (deltas, 0.0),
        "data.quality": (deltas, 0.0),
    }
    assert MU2NET_PLUS_PREPROCESS["data.flip"].neighbours(False) == (True,)


def test_defaults_train_on_what_is_evaluated() -> None:
    for images_u8 in (batch(), batch(channels=1), batch(size=5, width=11)):
        prepared = train_batch(images_u8, with_(), seeded())
        assert torch.equal(prepared, eval_batch(images_u8, with_()))
        assert prepared.shape == (6, 3, 8, 8)
        assert prepared.dtype == torch.float32
        assert prepared.is_contiguous()


def test_images_of_the_right_size_are_only_scaled() -> None:
    images_u8 = batch()
    torch.testing.assert_close(eval_batch(images_u8, with_()), unit(images_u8) * 2 - 1)
    black_and_white = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    assert eval_batch(black_and_white, with_(resolution=1))[:, 0, 0, 0].tolist() == [-1, 1]


def test_grey_becomes_three_equal_channels() -> None:
    prepared = eval_batch(batch(channels=1), with_(resolution=12))
    assert torch.equal(prepared[:, 0], prepared[:, 1])
    assert torch.equal(prepared[:, 0], prepared[:, 2])


def test_resizing_is_bilinear_with_centres_aligned_and_no_antialiasing() -> None:
    image = batch(1, 4, 1)
    x = unit(image)[0, 0]
    small = (eval_batch(image, with_(resolution=2)) + 1)[0, 0] / 2
    torch.testing.assert_close(small, (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4)
    third = (eval_batch(batch(1, 6, 1), with_(resolution=2)) + 1)[0, 0] / 2
    torch.testing.assert_close(third, unit(batch(1, 6, 1))[0, 0, 1::3, 1::3])  # centres only: no antialiasing


@pytest.mark.parametrize(("height", "width", "size"), [(8, 8, 8), (5, 9, 12), (20, 13, 6), (1, 1, 4)])
def test_a_crop_of_everything_equals_resizing(height: int, width: int, size: int) -> None:
    x = unit(batch(3, height, 3, width))
    boxes = torch.tensor([[0.0, 0.0, height, width]]).expand(3, 4)
    torch.testing.assert_close(
        augment.crop_and_resize(x, boxes, size), augment.resize(x, size), atol=1e-5, rtol=0
    )


def test_a_crop_equals_cutting_and_resizing() -> None:
    x = unit(batch(40, 16, 3, 11))
    boxes = augment.crop_boxes(16, 11, 0.05, 0.5, draws(40))
    cropped = augment.crop_and_resize(x, boxes, 9)
    for image, box, result in zip(x, boxes.int().tolist(), cropped, strict=True):
        top, left, height, width = box
        inside = image[None, :, top : top + height, left : left + width]
        torch.testing.assert_close(result, augment.resize(inside, 9)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("area_min", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("aspect_min", [0.5, 0.75, 1.0])
def test_boxes_keep_their_bounds(area_min: float, aspect_min: float) -> None:
    height, width = 32, 40
    boxes = augment.crop_boxes(height, width, area_min, aspect_min, draws(2000))
    top, left, h, w = boxes.unbind(1)
    assert torch.equal(boxes, boxes.round())
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + h <= height).all()
    assert (left + w <= width).all()
    assert (h * w >= area_min * height * width - 1e-3).all()
    inside = (h < height) | (w < width)
    assert (w <= h[:] / aspect_min + 1)[inside].all()
    assert (w >= h * aspect_min - 1)[inside].all()


def test_boxes_vary_in_area_aspect_and_place() -> None:
    top, left, h, w = augment.crop_boxes(32, 32, 0.05, 0.5, draws(4000)).unbind(1)
    assert h.min() < 10
    assert h.max() == 32
    assert (w / h).max() > 1.8
    assert (w / h).min() < 0.6
    assert {0.0, 8.0} <= set(top.tolist()) & set(left.tolist())
    small = h == 10
    assert (top[small] == 0).any()
    assert (top[small] == 22).any()


def test_impossible_boxes_are_the_whole_image() -> None:
    boxes = augment.crop_boxes(10, 100, 0.95, 1.0, draws(5))  # no square has 95 % of a panorama
    assert boxes.tolist() == [[0, 0, 10, 100]] * 5


@pytest.mark.parametrize(("height", "width", "size"), [(28, 28, 32), (32, 32, 16), (9, 40, 17), (1, 5, 3)])
def test_products_of_weights_resize_as_pytorch_does(height: int, width: int, size: int) -> None:
    x = torch.rand(7, 3, height, width, generator=seeded())
    plain = interpolate(x, (size, size), mode="bilinear", align_corners=False)
    augment.resize(x, size)  # the weights are PyTorch's own, asked for once
    with mock.patch.object(augment, "interpolate", side_effect=AssertionError("asked for again")):
        resized = augment.resize(x, size)
    torch.testing.assert_close(resized, plain, atol=1e-6, rtol=0)  # values of 1 have a precision of 1e-7


@pytest.mark.parametrize(("channels", "side", "size"), [(1, 28, 32), (3, 32, 16), (1, 28, 16), (3, 12, 20)])
def test_resizing_an_image_gives_the_same_bits_in_any_company(channels: int, side: int, size: int) -> None:
    x = torch.rand(64, channels, side, side, generator=seeded())
    together, order = augment.resize(x, size), torch.randperm(64, generator=seeded(1))
    assert torch.equal(augment.resize(x[order], size), together[order])
    assert torch.equal(augment.resize(x[:9], size), together[:9])
    for image, expected in zip(x[:9], together[:9], strict=True):
        assert torch.equal(augment.resize(image[None], size)[0], expected)


def test_large_images_are_left_to_pytorch() -> None:
    x = torch.rand(1, 1, 200, 200, generator=seeded())
    plain = interpolate(x, (16, 16), mode="bilinear", align_corners=False)
    assert torch.equal(augment.resize(x, 16), plain)


def test_the_aspect_alone_does_nothing() -> None:
    images_u8, hparams = batch(), with_(aspect_min=0.5)
    assert torch.equal(train_batch(images_u8, hparams, seeded()), eval_batch(images_u8, with_()))
    assert is_deterministic(hparams, 3)


def test_flipping_mirrors_half_of_the_images() -> None:
    x = unit(batch(400, 4))
    flipped = augment.flip(x, draws(400))
    mirrored = [torch.equal(after, before.flip(-1)) for before, after in zip(x, flipped, strict=True)]
    same = [torch.equal(after, before) for before, after in zip(x, flipped, strict=True)]
    assert all(one != other for one, other in zip(mirrored, same, strict=True))
    assert 150 < sum(mirrored) < 250


def test_brightness_adds_one_number_per_image() -> None:
    x = torch.rand(200, 3, 4, 4, generator=seeded()) * 0.5 + 0.25
    change = (augment.brightness(x, 0.2, draws(200)) - x).flatten(1)
    torch.testing.assert_close(change.amin(1), change.amax(1), atol=1e-6, rtol=0)
    assert -0.2 <= change.min() < -0.18
    assert 0.18 < change.max() <= 0.2
    assert augment.brightness(torch.ones(9, 1, 2, 2), 0.2, draws(9)).max() == 1


def test_contrast_scales_about_the_mean_of_each_channel() -> None:
    x = torch.rand(50, 3, 4, 4, generator=seeded()) * 0.5 + 0.25
    result = augment.contrast(x, 0.2, draws(50))
    factors = draws(50).uniform(0.8, 1.2, 1).squeeze(1)
    for image, after, factor in zip(x, result, factors, strict=True):
        for channel, got in zip(image, after, strict=True):
            expected = ((channel - channel.mean()) * factor + channel.mean()).clamp(0, 1)
            torch.testing.assert_close(got, expected)
    assert factors.min() < 0.83
    assert factors.max() > 1.17


@pytest.mark.parametrize("operation", ["saturation", "hue"])
def test_colours_change_as_in_colorsys(operation: str) -> None:
    x = unit(batch(30, 3))
    x[0] = 0.5  # grey
    x[1] = 0.0
    x[2] = 1.0
    if operation == "saturation":
        result, numbers = augment.saturation(x, 0.2, draws(30)), draws(30).uniform(0.8, 1.2, 1)
    else:
        result, numbers = augment.hue(x, 0.2, draws(30)), draws(30).uniform(-0.2, 0.2, 1)
    for image, after, number in zip(x, result, numbers[:, 0].tolist(), strict=True):
        for pixel, got in zip(image.flatten(1).T.tolist(), after.flatten(1).T.tolist(), strict=True):
            h, s, v = colorsys.rgb_to_hsv(*pixel)
            if operation == "saturation":
                s = min(s * number, 1.0)
            else:
                h = (h + number) % 1.0
            assert got == pytest.approx(colorsys.hsv_to_rgb(h, s, v), abs=1e-5)


def test_grey_images_have_no_colour_to_change() -> None:
    images_u8 = batch(channels=1)
    hparams = with_(saturation=0.2, hue=0.2)
    assert torch.equal(train_batch(images_u8, hparams, seeded()), eval_batch(images_u8, with_()))
    assert is_deterministic(hparams, 1)
    assert not is_deterministic(hparams, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_compresses_with_a_quality_per_image(channels: int) -> None:
    images_u8 = batch(40, 16, channels)
    result = augment.jpeg(images_u8, 0.2, draws(40))
    qualities = draws(40).uniform(80, 101).long().tolist()
    assert min(qualities) >= 80
    assert max(qualities) <= 100
    assert len(set(qualities)) > 10
    for before, after, quality in zip(images_u8.numpy(), result.numpy(), qualities, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(before.squeeze()).save(buffer, "JPEG", quality=quality)
        np.testing.assert_array_equal(np.asarray(Image.open(buffer)), after.squeeze())


RANDOM = [
    {"area_min": 0.5, "aspect_min": 0.75},
    {"flip": True},
    {"brightness": 0.1},
    {"contrast": 0.1},
    {"saturation": 0.1},
    {"hue": 0.1},
    {"quality": 0.1},
    {"area_min": 0.05, "flip": True, "brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.2},
]


@pytest.mark.parametrize("changes", RANDOM)
def test_equal_seeds_give_equal_batches_in_range(changes: dict[str, HparamValue]) -> None:
    images_u8, hparams = batch(16, 12), with_(**changes)
    one = train_batch(images_u8, hparams, seeded(1))
    assert torch.equal(one, train_batch(images_u8, hparams, seeded(1)))
    assert not torch.equal(one, train_batch(images_u8, hparams, seeded(2)))
    assert not torch.equal(one, eval_batch(images_u8, hparams))
    assert one.shape == (16, 3, 8, 8)
    assert one.abs().max() <= 1
    assert not is_deterministic(hparams, 3)


def test_images_are_not_modified() -> None:
    images_u8 = batch()
    before = images_u8.clone()
    train_batch(images_u8, with_(brightness=0.2, flip=True, quality=0.1), seeded())
    assert torch.equal(images_u8, before)


def test_defaults_draw_nothing() -> None:
    generator = seeded()
    state = generator.get_state()
    train_batch(batch(), with_(), generator)
    assert torch.equal(generator.get_state(), state)
    assert is_deterministic({"data.resolution": 8}, 3)


def test_a_missing_resolution_is_explained() -> None:
    with pytest.raises(BadValueError, match=r"data\.resolution is missing"):
        eval_batch(batch(), {})
