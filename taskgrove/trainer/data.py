"""Puts a task's images where the trainer uses them: on the device when they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from taskgrove.tasks.base import Split, TaskData
from taskgrove.tasks.mapped import MappedImages, Part
from taskgrove.trainer.learner import AbstractLearner, State
from taskgrove.trainer.streamed import DeviceImages, StreamedImages

Splits = Mapping[str, tuple[DeviceImages, Tensor]]
"""Images, and labels (N,) int64 on the device, by split."""


@final
class ReadingLearner(AbstractLearner):
    """A learner whose training images are read ahead of its steps."""

    def __init__(self, learner: AbstractLearner, images: StreamedImages) -> None:
        self._learner = learner
        self._images = images

    def learn(self, batches: Sequence[Tensor]) -> Tensor:
        with self._images.reading_ahead(batches):
            return self._learner.learn(batches)

    def num_correct(self, num_val: int) -> int | None:
        return self._learner.num_correct(num_val)

    def snapshot(self) -> tuple[State, State]:
        return self._learner.snapshot()


def reading(learner: AbstractLearner, images: DeviceImages) -> AbstractLearner:
    """The learner, with its training images read ahead if they are not on the device."""
    return ReadingLearner(learner, images) if isinstance(images, StreamedImages) else learner


def place(data: TaskData, device: torch.device, limit_bytes: int) -> Splits:
    """Put splits on the device, the smallest first, and stream those for which no room is left.

    Args:
        data: What is in main memory already is never streamed to a CPU.
        device: Where it is wanted.
        limit_bytes: Of images.
    """
    splits = {"train": data.train, "val": data.val, "test": data.test}
    placed: dict[str, tuple[DeviceImages, Tensor]] = {}
    for name, split in sorted(splits.items(), key=lambda item: item[1].pixels.nbytes):
        at_hand = device.type == "cpu" and not isinstance(split.pixels, MappedImages)
        fits = split.pixels.nbytes <= limit_bytes
        limit_bytes -= split.pixels.nbytes if fits else 0
        labels = torch.from_numpy(split.labels).to(device)
        placed[name] = (_resident(split, device) if at_hand or fits else _streamed(split, device)), labels
    return placed


def first(images: DeviceImages, count: int) -> DeviceImages:
    """The first `count` images, or all if there are fewer."""
    return images.first(count) if isinstance(images, StreamedImages) else images[:count]


def placed_bytes(splits: Splits) -> int:
    """Memory of the device that the images of splits take; streamed ones take none."""
    images = (images for images, _ in splits.values() if not isinstance(images, StreamedImages))
    return sum(each.nbytes for each in images)


def _resident(split: Split, device: torch.device) -> Tensor:
    return torch.from_numpy(split.images).to(device)


def _streamed(split: Split, device: torch.device) -> StreamedImages:
    pixels = split.pixels
    source = pixels if isinstance(pixels, MappedImages) else MappedImages.of(Part(array=pixels, stamp=None))
    return StreamedImages(source, device)
