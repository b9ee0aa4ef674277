"""Pretrains a root jointly on many tasks: one body, one head per task, strong random changes.

Unlike the training of children this uses AdamW with decoupled weight decay (Loshchilov & Hutter, 2019),
as AugReg does for small data (Steiner et al., 2021). A step draws everything random from the seed
and its own number, so that a run that was interrupted continues bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from taskgrove.backbones.assemble import Network
from taskgrove.domain.seeds import derive
from taskgrove.tasks.distort import distort
from taskgrove.trainer.train import DivergedError

CLIP_NORM = 1.0
_BETAS = (0.9, 0.98)
_EVAL_BATCH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainConfig:
    """How a root is pretrained.

    Attributes:
        steps: Of the whole training.
        batch_size: Images per step.
        lr: Peak learning rate.
        warmup: Share of the steps in which the learning rate rises; then it falls as a cosine.
        weight_decay: Of matrices; norms, biases and embeddings have none.
        label_smoothing: Share of the target spread over the other classes of the task.
        strength: Of the random changes; see `distort`.
        resolution: Side of the prepared images in pixels.
        precision: `fp32` or `bf16`.
        val_cap: Validation images per task at most.
        report_every: Steps between validations; the last step is followed by one in any case.
        seed: Of everything random.
    """

    steps: int
    batch_size: int
    lr: float
    warmup: float
    weight_decay: float
    label_smoothing: float
    strength: float
    resolution: int
    precision: str
    val_cap: int
    report_every: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A task of the pretraining, on the device: uint8 (N, H, W, C) and int64 (N,)."""

    name: str
    num_classes: int
    images: Tensor
    labels: Tensor
    val_images: Tensor
    val_labels: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The curve at one validation.

    Attributes:
        step: Steps done.
        loss: Mean training loss since the point before.
        accuracy: Mean over the tasks, on distorted validation images, in [0, 1].
        by_task: The same task by task.
    """

    step: int
    loss: float
    accuracy: float
    by_task: dict[str, float]


class Pretraining:
    """The state of a pretraining: network, optimiser, steps done and curve.

    Args:
        network: All slots trainable; its head is as wide as all tasks together.
        subjects: In the order in which their classes follow each other in the head.
        config: See `PretrainConfig`.
    """

    def __init__(self, network: Network, subjects: Sequence[Subject], config: PretrainConfig) -> None:
        self.network = network
        self.config = config
        self.step = 0
        self.loss_sum = 0.0
        self.curve: list[Point] = []
        self.subjects = tuple(subjects)
        self._device = subjects[0].images.device
        self._dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
        widths = [subject.num_classes for subject in subjects]
        self._first = torch.tensor([sum(widths[:i]) for i in range(len(widths))], device=self._device)
        self._foreign = torch.ones(len(widths), sum(widths), dtype=torch.bool, device=self._device)
        for row, (first, width) in enumerate(zip(self._first.tolist(), widths, strict=True)):
            self._foreign[row, first : first + width] = False
        self._odds = torch.tensor([len(s.labels) ** 0.5 for s in subjects])
        self._adam = _optimizer(network, config)

    @property
    def named(self) -> dict[str, nn.Parameter]:
        """The parameters by `slot/tensor`."""
        slots = (slot.name for slot in self.network.slots)
        return {f"{s}/{name}": p for s in slots for name, p in self.network.tensors(s).items()}

    def run(self, after_step: Callable[[Pretraining], None] = lambda _: None) -> None:
        """Train up to the last step; `after_step` is told after each.

        Raises:
            DivergedError: The training loss became NaN or infinite.
        """
        while self.step < self.config.steps:
            self._train_step()
            if self.step % self.config.report_every == 0 or self.step == self.config.steps:
                self._report()
            after_step(self)

    def state(self) -> dict[str, Tensor]:
        """Parameters and moments, to continue from; with `step`, `loss_sum` and `curve` it is all."""
        tensors: dict[str, Tensor] = {}
        for name, parameter in self.named.items():
            tensors[f"parameter/{name}"] = parameter.detach()
            for key, value in self._adam.state[parameter].items():
                tensors[f"{key}/{name}"] = value
        return {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}

    def restore(self, tensors: dict[str, Tensor], step: int, loss_sum: float, curve: list[Point]) -> None:
        """Continue from what `state` gave."""
        self.step, self.loss_sum, self.curve = step, loss_sum, list(curve)
        with torch.no_grad():
            for name, parameter in self.named.items():
                parameter.copy_(tensors[f"parameter/{name}"])
                for key in self._adam.state[parameter]:
                    self._adam.state[parameter][key].copy_(tensors[f"{key}/{name}"])

    def _train_step(self) -> None:
        config = self.config
        generator = torch.Generator().manual_seed(derive(config.seed, "step", self.step))
        images, labels, rows = self._batch(generator)
        x = distort(images, config.resolution, config.strength, generator)
        logits = self.network(x.to(self._dtype)).float()
        loss = joint_loss(logits, labels, self._foreign[rows], config.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self._adam.param_groups:
            group["lr"] = learning_rate(self.step, config)
        nn.utils.clip_grad_norm_(self.named.values(), CLIP_NORM)
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        self.step += 1
        value = float(loss.detach())
        self.loss_sum += value
        if not math.isfinite(value):
            raise DivergedError(f"the training loss became {value} in step {self.step}")

    def _batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Images, labels in the common head, and each image's task; large tasks are seen more often."""
        rows = torch.multinomial(self._odds, self.config.batch_size, replacement=True, generator=generator)
        rows = rows.sort().values
        places = torch.rand(len(rows), generator=generator)
        images, labels = [], []
        counts = torch.bincount(rows, minlength=len(self.subjects)).tolist()
        for row, (subject, chosen) in enumerate(zip(self.subjects, torch.split(places, counts), strict=True)):
            index = (chosen * len(subject.labels)).long().to(self._device)
            images.append(subject.images[index])
            labels.append(subject.labels[index] + self._first[row])
        return torch.cat(images), torch.cat(labels), rows.to(self._device)

    def _report(self) -> None:
        seen = self.step - (self.curve[-1].step if self.curve else 0)
        by_task = {subject.name: self._accuracy(row) for row, subject in enumerate(self.subjects)}
        accuracy = sum(by_task.values()) / len(by_task)
        self.curve.append(
            Point(step=self.step, loss=self.loss_sum / seen, accuracy=accuracy, by_task=by_task)
        )
        self.loss_sum = 0.0

    def _accuracy(self, row: int) -> float:
        subject = self.subjects[row]
        generator = torch.Generator().manual_seed(derive(self.config.seed, "validation", subject.name))
        index = torch.randperm(len(subject.val_labels), generator=generator)[: self.config.val_cap]
        correct = 0
        with torch.inference_mode():
            for part in torch.chunk(index.to(self._device), math.ceil(len(index) / _EVAL_BATCH)):
                x = distort(subject.val_images[part], self.config.resolution, self.config.strength, generator)
                logits = self.network(x.to(self._dtype)).masked_fill(self._foreign[row], -math.inf)
                found = logits.argmax(dim=1) - self._first[row]
                correct += int((found == subject.val_labels[part]).sum())
        return correct / len(index)


def learning_rate(step: int, config: PretrainConfig) -> float:
    """Of a step, from 0: linear up to the peak, then half a cosine down to almost 0."""
    warm = config.warmup * config.steps
    if step < warm:
        return config.lr * (step + 1) / (warm + 1)
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(config.steps - warm, 1)))


def joint_loss(logits: Tensor, labels: Tensor, foreign: Tensor, smoothing: float) -> Tensor:
    """Cross entropy of each image among the classes of its own task, as if every task had its own head.

    Args:
        logits: (B, K) float32, K the classes of all tasks together.
        labels: (B,) int64 in [0, K).
        foreign: (B, K) bool, true for the classes of other tasks than the image's.
        smoothing: Share of the target spread over the classes of the image's own task.
    """
    logits = logits.masked_fill(foreign, -math.inf)
    sharp = cross_entropy(logits, labels)
    if not smoothing:
        return sharp
    logs = logits.log_softmax(dim=1).masked_fill(foreign, 0.0)
    spread = -(logs.sum(dim=1) / (~foreign).sum(dim=1)).mean()
    return (1 - smoothing) * sharp + smoothing * spread


def _optimizer(network: Network, config: PretrainConfig) -> torch.optim.AdamW:
    """AdamW with its state made, all zeros, so that a checkpoint can be read into it."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for slot in network.slots:
        for parameter in network.tensors(slot.name).values():
            matrix = parameter.ndim >= 2 and slot.kind not in ("cls", "pos")
            (decayed if matrix else free).append(parameter)
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": free, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=config.lr, betas=_BETAS, fused=True)
    for parameter in (*decayed, *free):
        adam.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }
    return adam
