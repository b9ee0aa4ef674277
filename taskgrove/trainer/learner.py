"""What executes the steps of one child: the plain way, or the fast one that must agree with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from taskgrove.backbones.base import Tensors
from taskgrove.domain.ids import SlotName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.trainer.streamed import DeviceImages

State = Mapping[SlotName, Tensors]
"""Tensors of the trainable slots."""


NO_RATES: Mapping[SlotName, float] = {}
"""No slot's learning rate is scaled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A task's images and labels, on the device or on their way: uint8 (N, H, W, C) and int64 (N,)."""

    train_images: DeviceImages
    train_labels: Tensor
    val_images: DeviceImages
    val_labels: Tensor


class AbstractLearner(ABC):
    """One child in training: its parameters, its optimiser, its data."""

    @abstractmethod
    def learn(self, batches: Sequence[Tensor]) -> Tensor:
        """Take one step per batch.

        Args:
            batches: Indices of training images (B,), int64, on the CPU.

        Returns:
            The mean loss of the steps, a float32 scalar on the device.
        """

    @abstractmethod
    def num_correct(self, num_val: int) -> int | None:
        """How many of the first validation images are classified correctly; None if a logit is not finite."""

    @abstractmethod
    def snapshot(self) -> tuple[State, State]:
        """Copies of the float32 parameters and of their momentum as they are now."""


def dtype_of(config: TrainConfig) -> torch.dtype:
    """In which all layers compute."""
    return torch.bfloat16 if config.precision == "bf16" else torch.float32


def parts_of(rows: Tensor, micro_batch: int) -> tuple[Tensor, ...]:
    """Rows in parts of at most `micro_batch`; all in one when that is 0."""
    return torch.split(rows, micro_batch or len(rows))
