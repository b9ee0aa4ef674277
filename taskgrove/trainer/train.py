"""The training of one network: cycles of steps, each followed by a validation; the best is kept.

µ2Net+ (Gesmundo, 2022), Algorithm 1, lines 27 to 32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from taskgrove.backbones.assemble import Network, split
from taskgrove.backbones.base import Tensors
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import SlotName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.tasks.preprocess import train_batch
from taskgrove.trainer.evaluate import num_correct
from taskgrove.trainer.optim import LearningRate, Optimizer


class DivergedError(Exception):
    """A loss or a logit is not finite.

    Args:
        text: What has happened.
        samples: Training images used until then.
        validated: Images of all finished validations together.
    """

    def __init__(self, text: str, *, samples: int = 0, validated: int = 0) -> None:
        super().__init__(text)
        self.samples = samples
        self.validated = validated


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A task's images and labels on the device: uint8 (N, H, W, C) and int64 (N,)."""

    train_images: Tensor
    train_labels: Tensor
    val_images: Tensor
    val_labels: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """What training gave: the best version, and the curves that led to it.

    Attributes:
        parameters, momentum: Tensors of the trainable slots at the best validation.
        quality: Accuracy there.
        best_cycle: From 1.
    """

    parameters: Mapping[SlotName, Tensors]
    momentum: Mapping[SlotName, Tensors]
    quality: float
    best_cycle: int
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    samples: int
    val_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Sizes of a training: images per step, steps per cycle, cycles."""

    batch: int
    steps_per_cycle: int
    cycles: int

    @classmethod
    def of(cls, num_images: int, config: TrainConfig) -> Schedule:
        """A cycle is min(one epoch, the cap), rounded up to whole steps."""
        batch = min(config.batch_size, num_images)
        steps = math.ceil(min(num_images, config.samples_cap) / batch)
        return cls(batch=batch, steps_per_cycle=steps, cycles=config.cycles)

    @property
    def num_steps(self) -> int:
        """Of the whole training."""
        return self.steps_per_cycle * self.cycles

    @property
    def cycle_samples(self) -> int:
        """Training images of a cycle."""
        return self.steps_per_cycle * self.batch


def batches(num_images: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless index batches (batch,), epoch after epoch, each epoch in a new random order."""
    left = torch.empty(0, dtype=torch.int64)
    while True:
        while len(left) < batch:
            left = torch.cat((left, torch.randperm(num_images, generator=generator)))
        yield left[:batch]
        left = left[batch:]


def train_network(
    network: Network,
    momentum: Mapping[SlotName, Tensors],
    data: Resident,
    hparams: Hparams,
    config: TrainConfig,
    seed: int,
    watch: Callable[[int, float], None] = lambda _, __: None,
    *,
    strict: bool = False,
) -> Trajectory:
    """Train the network's trainable slots in place.

    Args:
        network: Trainable slots hold float32 master weights; frozen ones may be of lower precision.
        momentum: Buffers to continue with, by trainable slot; absent ones start at zero.
        data: On the network's device.
        hparams: `opt.*` and `data.*`.
        config: Budget and precision.
        seed: Of data order and augmentation.
        watch: Told after every cycle, from 1, with its validation accuracy.
        strict: Of versions of equal accuracy keep the first instead of the newest.

    Raises:
        DivergedError: A loss or a logit became NaN or infinite.
    """
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    schedule = Schedule.of(len(data.train_labels), config)
    optimizer = _optimizer(network, momentum, hparams, schedule)
    order = batches(len(data.train_labels), schedule.batch, torch.Generator().manual_seed(seed))
    augment = torch.Generator(device=data.train_images.device).manual_seed(seed)
    keeper = Keeper(network, optimizer, strict=strict)
    losses: list[float] = []
    for cycle in range(1, schedule.cycles + 1):
        total = torch.zeros((), device=data.train_images.device)
        for _ in range(schedule.steps_per_cycle):
            index = next(order).to(data.train_images.device)
            images = train_batch(data.train_images[index], hparams, augment).to(dtype)
            loss = cross_entropy(network(images).float(), data.train_labels[index])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
        losses.append(float(total) / schedule.steps_per_cycle)
        samples, validated = cycle * schedule.cycle_samples, cycle * len(data.val_labels)
        if not math.isfinite(losses[-1]):
            text = f"the training loss became {losses[-1]} in cycle {cycle}"
            raise DivergedError(text, samples=samples, validated=validated - len(data.val_labels))
        if not keeper.validate(cycle, data, hparams, dtype):
            text = f"a logit was not finite at the validation after cycle {cycle}"
            raise DivergedError(text, samples=samples, validated=validated)
        watch(cycle, keeper.accuracies[-1])
    return keeper.trajectory(tuple(losses), schedule.cycles * schedule.cycle_samples, len(data.val_labels))


def _optimizer(
    network: Network, momentum: Mapping[SlotName, Tensors], hparams: Hparams, schedule: Schedule
) -> Optimizer:
    """Of the trainable tensors, in order of name, so that sums over them have one order."""
    names = sorted((slot, name) for slot in network.trainable for name in network.tensors(slot))
    parameters = [network.tensors(slot)[name] for slot, name in names]
    buffers = [momentum[slot][name] if slot in momentum else None for slot, name in names]
    rate = LearningRate.of(hparams, schedule.num_steps, schedule.steps_per_cycle)
    return Optimizer(parameters, buffers, hparams, rate)


class Keeper:
    """Validates after each cycle and keeps a copy of the best version."""

    def __init__(self, network: Network, optimizer: Optimizer, *, strict: bool) -> None:
        self._network = network
        self._strict = strict
        self._optimizer = optimizer
        self._parameters: dict[SlotName, Tensors] = {}
        self._momentum: dict[SlotName, Tensors] = {}
        self._best_cycle = 0
        self.accuracies: list[float] = []

    def validate(self, cycle: int, data: Resident, hparams: Hparams, dtype: torch.dtype) -> bool:
        """Measure the network as it is; keep it when it is as good as the best so far, or better.

        False when a logit is not finite.
        """
        correct = num_correct(self._network, data.val_images, data.val_labels, hparams, dtype)
        if correct is None:
            return False
        accuracy = correct / len(data.val_labels)
        best = max(self.accuracies, default=-1.0)
        if accuracy > best or (accuracy == best and not self._strict):
            self._best_cycle = cycle
            self._copy()
        self.accuracies.append(accuracy)
        return True

    def _copy(self) -> None:
        trainable = self._network.trainable
        current = split(self._network)
        self._parameters = {
            slot: {name: t.clone() for name, t in current[slot].items()} for slot in trainable
        }
        self._momentum = {
            slot: {
                name: self._optimizer.momentum(p).clone() for name, p in self._network.tensors(slot).items()
            }
            for slot in trainable
        }

    def trajectory(self, losses: tuple[float, ...], samples: int, val_samples: int) -> Trajectory:
        """The best version with the curves."""
        return Trajectory(
            parameters=self._parameters,
            momentum=self._momentum,
            quality=self.accuracies[self._best_cycle - 1],
            best_cycle=self._best_cycle,
            losses=losses,
            accuracies=tuple(self.accuracies),
            samples=samples,
            val_samples=val_samples,
        )
