"""Many small images are compressed together to the bytes that Pillow gives for each by itself."""

from __future__ import annotations

from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from taskgrove.tasks import jpeg
from taskgrove.tasks.jpeg import U8Array, compressed, one_by_one
from tests.laws.examples import examples

SIDES = st.integers(1, 50)
QUALITIES = st.lists(st.integers(0, 100), min_size=1, max_size=2, unique=True)


def images_of(seed: int, count: int, height: int, width: int, channels: int, smooth: bool) -> U8Array:
    """Noise, or strokes whose brightness changes little from pixel to pixel."""
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (count, height, width, channels))
    return (np.cumsum(noise % 9, axis=2) % 256 if smooth else noise).astype(np.uint8)


@examples(200)
@given(
    st.integers(0, 2**32), st.integers(6, 12), SIDES, SIDES, st.sampled_from([1, 3]), st.booleans(), QUALITIES
)
def test_together_as_one_by_one(
    seed: int, count: int, height: int, width: int, channels: int, smooth: bool, qualities: list[int]
) -> None:
    images = images_of(seed, count, height, width, channels, smooth)
    chosen = np.random.default_rng(seed).choice(qualities, count).tolist()
    with mock.patch.object(jpeg, "one_by_one", side_effect=AssertionError("none is left to Pillow")):
        together = compressed(images, chosen)
    np.testing.assert_array_equal(together, one_by_one(images, chosen))


@given(st.integers(0, 2**32), st.sampled_from([1, 3]))
def test_pictures_are_no_higher_than_the_standard_allows(seed: int, channels: int) -> None:
    images, chosen = images_of(seed, 10, 12, 12, channels, smooth=True), [90] * 10
    with mock.patch.object(jpeg, "MOST_ROWS", 40):
        np.testing.assert_array_equal(compressed(images, chosen), one_by_one(images, chosen))


@given(st.integers(0, 2**32))
def test_large_coloured_images_and_many_qualities_are_left_to_pillow(seed: int) -> None:
    for size, qualities in ((70, [50, 60]), (20, [50, 60])):
        images = images_of(seed, 2, size, size, 3, smooth=False)
        with mock.patch.object(jpeg, "_coloured", side_effect=AssertionError("takes longer")):
            np.testing.assert_array_equal(compressed(images, qualities), one_by_one(images, qualities))
