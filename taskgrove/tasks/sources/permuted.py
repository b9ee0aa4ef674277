"""`permuted:<source>:<number>`: a source with its pixels in another order, as in permuted MNIST (004, §4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.base import AbstractSource, RawData, Split
from taskgrove.tasks.mapped import Index, MappedImages, with_pixels_moved
from taskgrove.tasks.named import Find, inner_of, loaded, normalised

_FORM = "permuted:<source>:<number>, as in permuted:npz:mnist.npz:3"
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
_HIGHEST = 2**32 - 1


@final
@dataclass(frozen=True, slots=True)
class PermutedSource(AbstractSource):
    """The images of another source, all with the same fixed permutation of their pixels.

    Permutations are numbered: a number and an image size mean the same one everywhere, for ever; 0 leaves
    the images as they are. The channels of a pixel stay together. Images in files stay there.

    Args:
        find: Finds the other source.
    """

    name: ClassVar[str] = "permuted"
    summary: ClassVar[str] = (
        "permuted:source:number, any source with its pixels in the number-th random order"
    )

    find: Find

    def normalise(self, argument: str) -> str:
        inner, number = _parse(argument)
        return f"{normalised(inner, self.find)}:{number}"

    def load(self, argument: str) -> RawData:
        inner, number = _parse(argument)
        raw = loaded(inner, self.find)
        if number == 0:
            return raw
        height, width = next(iter(raw.splits.values())).pixels.shape[1:3]
        order = _order(number, height * width)
        return RawData(
            splits={name: _permuted(split, order) for name, split in raw.splits.items()},
            class_names=raw.class_names,
        )

    def missing(self, argument: str) -> str:
        source, inner = self.find(_parse(argument)[0])
        return source.missing(inner)


def _parse(argument: str) -> tuple[str, int]:
    inner, number = inner_of(argument, _FORM)
    if not _NUMBER.fullmatch(number) or int(number) > _HIGHEST:
        raise TaskDataError(
            f"{number!r} is no number of a permutation, which is whole and at most {_HIGHEST}; write {_FORM}."
        )
    return inner, int(number)


def _order(number: int, num_pixels: int) -> Index:
    rng = np.random.RandomState(number)  # its stream is frozen; that of default_rng is not
    return rng.permutation(num_pixels)


def _permuted(split: Split, order: Index) -> Split:
    pixels = split.pixels
    moved = (
        pixels.with_pixels_moved(order)
        if isinstance(pixels, MappedImages)
        else with_pixels_moved(pixels, order)
    )
    return Split(images=moved, labels=split.labels, columns=split.columns)
