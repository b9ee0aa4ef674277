"""The training of one network: cycles of steps, each followed by a validation; the best is kept.

µ2Net+ (Gesmundo, 2022), Algorithm 1, lines 27 to 32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from taskgrove.backbones.assemble import Network
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import SlotName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.trainer.distributed import ALONE, Team
from taskgrove.trainer.fast import FastLearner
from taskgrove.trainer.learner import NO_RATES, AbstractLearner, Resident, State
from taskgrove.trainer.meters import Meters
from taskgrove.trainer.optim import LearningRate
from taskgrove.trainer.plain import PlainLearner
from taskgrove.trainer.prefix.layers import Memory


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
class Trajectory:
    """What training gave: the best version, and the curves that led to it.

    Attributes:
        parameters, momentum: Tensors of the trainable slots at the best validation.
        quality: Accuracy there.
        best_cycle: From 1.
        val_samples: Images that `quality` was measured on.
        validated: Images of all validations together.
        saved: As in `TrainResult`.
    """

    parameters: State
    momentum: State
    quality: float
    best_cycle: int
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    samples: int
    val_samples: int
    validated: int
    saved: tuple[str, ...]


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


def learner_of(
    network: Network,
    momentum: State,
    data: Resident,
    memory: Memory,
    hparams: Hparams,
    config: TrainConfig,
    seed: int,
    team: Team = ALONE,
    rates: Mapping[SlotName, float] = NO_RATES,
) -> AbstractLearner:
    """What carries out the steps of a child, by `config.engine`.

    Args:
        network: Trainable slots hold float32 master weights, which the plain way trains in place;
            frozen ones may be of lower precision.
        momentum: Buffers to continue with, by trainable slot; absent ones start at zero.
        data: On the network's device.
        memory: Of what the fast way need not compute again.
        hparams: `opt.*` and `data.*`.
        config: Budget, precision and memory.
        seed: Of augmentation.
        team: Who train the child together, with the fast engine.
        rates: Factors of the learning rate by trainable slot; 1 where none is given.

    Raises:
        BadValueError: The team has more processes than a batch has images.
    """
    schedule = Schedule.of(len(data.train_labels), config)
    rate = LearningRate.of(hparams, schedule.num_steps, schedule.steps_per_cycle)
    if config.engine == "plain":
        return PlainLearner(
            network, momentum, data, hparams=hparams, rate=rate, config=config, seed=seed, rates=rates
        )
    if team.size > schedule.batch:
        raise BadValueError(
            f"{team.size} processes cannot share batches of {schedule.batch} images. Start fewer processes."
        )
    return FastLearner(
        network,
        momentum,
        data,
        memory,
        hparams=hparams,
        rate=rate,
        config=config,
        seed=seed,
        team=team,
        rates=rates,
    )


def train(
    learner: AbstractLearner,
    num_train: int,
    num_val: int,
    config: TrainConfig,
    seed: int,
    watch: Callable[[int, float], None] = lambda _, __: None,
    *,
    strict: bool = False,
    bar: float = 0.0,
    meters: Meters | None = None,
) -> Trajectory:
    """Train a child.

    Args:
        learner: Takes the steps and validates.
        num_train, num_val: Images to train and to validate on.
        config: Budget.
        seed: Of data order.
        watch: Told after every cycle, from 1, with its validation accuracy.
        strict: Of versions of equal accuracy keep the first instead of the newest.
        bar: Accuracy below which nothing is kept; with `config.hopeless` a child far below it is ended.
        meters: Told how long steps and validations take.

    Raises:
        DivergedError: A loss or a logit became NaN or infinite.
    """
    schedule = Schedule.of(num_train, config)
    order = batches(num_train, schedule.batch, torch.Generator().manual_seed(seed))
    keeper = Keeper(learner, num_val, config, strict=strict)
    meters = meters or Meters()
    losses: list[float] = []
    for cycle in range(1, schedule.cycles + 1):
        with meters.phase("learn"):
            losses.append(float(learner.learn([next(order) for _ in range(schedule.steps_per_cycle)])))
        samples = cycle * schedule.cycle_samples
        if not math.isfinite(losses[-1]):
            text = f"the training loss became {losses[-1]} in cycle {cycle}"
            raise DivergedError(text, samples=samples, validated=keeper.validated)
        with meters.phase("validate"):
            finite = keeper.validate(cycle)
        if not finite:
            text = f"a logit was not finite at the validation after cycle {cycle}"
            raise DivergedError(text, samples=samples, validated=keeper.validated)
        watch(cycle, keeper.accuracies[-1])
        if keeper.hopeless(bar):
            break
    return keeper.trajectory(tuple(losses), len(losses) * schedule.cycle_samples)


class Keeper:
    """Validates after each cycle and keeps a copy of the best version."""

    def __init__(self, learner: AbstractLearner, num_val: int, config: TrainConfig, *, strict: bool) -> None:
        self._learner = learner
        self._num_val = num_val
        self._config = config
        self._strict = strict
        self._best: tuple[State, State] = {}, {}
        self._best_cycle = 0
        self.accuracies: list[float] = []
        self.validated = 0

    def validate(self, cycle: int) -> bool:
        """Measure the child as it is; keep it when it is as good as the best so far, or better.

        False when a logit is not finite.
        """
        rough = self._rough(cycle)
        num_val = min(self._config.val_first, self._num_val) if rough else self._num_val
        correct = self._learner.num_correct(num_val)
        self.validated += num_val
        if correct is None:
            return False
        accuracy = correct / num_val
        best = self.accuracies[self._best_cycle - 1] if self._best_cycle else -1.0
        if not rough and (accuracy > best or (accuracy == best and not self._strict)):
            self._best_cycle = cycle
            self._best = self._learner.snapshot()
        self.accuracies.append(accuracy)
        return True

    def hopeless(self, bar: float) -> bool:
        """Whether a version was kept and the best so far is too far below the bar to go on."""
        gap = self._config.hopeless
        return gap > 0 and self._best_cycle > 0 and max(self.accuracies) < bar - gap

    def trajectory(self, losses: tuple[float, ...], samples: int) -> Trajectory:
        """The best version with the curves."""
        parameters, momentum = self._best
        ended = len(losses) < self._config.cycles
        return Trajectory(
            parameters=parameters,
            momentum=momentum,
            quality=self.accuracies[self._best_cycle - 1],
            best_cycle=self._best_cycle,
            losses=losses,
            accuracies=tuple(self.accuracies),
            samples=samples,
            val_samples=self._num_val,
            validated=self.validated,
            saved=("hopeless",) * ended + ("val_first",) * self._rough(1),
        )

    def _rough(self, cycle: int) -> bool:
        """Whether a cycle is looked at on fewer images, and its version not kept."""
        return 0 < self._config.val_first < self._num_val and cycle <= self._config.cycles // 2
