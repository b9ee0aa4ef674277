"""The optimiser of every child: SGD with momentum, a learning rate schedule, clipped gradients.

muNet to µ2Net+ all use it (001 §3; 000 Table 1): global-norm clip 1.0 over the trainable
gradients, no weight decay, schedules that begin anew with each child.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim.sgd import sgd

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import Choice, Hparams, Space

CLIP_NORM = 1.0
_TINY = 1e-6
"""Added to the norm, as PyTorch's clipping does."""

_LR = Choice(
    name="opt.lr",
    values=(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    default=0.01,
)
_NESTEROV = Choice(name="opt.nesterov", values=(False, True), default=False)
_SCHEDULES = ("constant", "cosine", "restarts")

MU2NET_PLUS_OPTIMIZER = Space(
    (
        _LR,
        Choice(name="opt.schedule", values=("cosine",), default="cosine"),
        Choice(name="opt.warmup", values=(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3), default=0.1),
        Choice(
            name="opt.momentum",
            values=(0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99),
            default=0.9,
        ),
        _NESTEROV,
    )
)
"""µ2Net+ (Gesmundo, 2022), Table 1, optimiser hyperparameters with their defaults."""

MU2NET_OPTIMIZER = Space(
    (
        _LR,
        Choice(name="opt.schedule", values=("cosine",), default="cosine"),
        Choice(name="opt.warmup", values=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3), default=0.1),
        Choice(name="opt.momentum", values=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99), default=0.9),
        _NESTEROV,
    )
)
"""µ2Net: the same table without what it marks as added by µ2Net+."""

MUNET_OPTIMIZER = Space(
    (
        _LR,
        Choice(name="opt.schedule", values=_SCHEDULES, default="cosine", ordered=False),
        Choice(name="opt.warmup", values=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4), default=0.1),
        Choice(name="opt.momentum", values=(0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99), default=0.9),
        _NESTEROV,
    )
)
"""muNet (Gesmundo & Dean, 2022a), §3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRate:
    """The learning rate of every step of a child.

    `cosine`: linear from 0 over the warm-up, then half a cosine to 0, over the whole training.
    `restarts`: that shape once per train cycle. `constant`: half the peak throughout, the mean of
    a cosine. The papers name the schedules; their shapes are the authors' notebooks'.

    Attributes:
        peak: `opt.lr`.
        warmup: `opt.warmup`, the warm-up's part of the schedule.
        schedule: `opt.schedule`.
        num_steps: Of the child's whole training.
        steps_per_cycle: Of a train cycle.
    """

    peak: float
    warmup: float
    schedule: str
    num_steps: int
    steps_per_cycle: int

    def __post_init__(self) -> None:
        if self.schedule not in _SCHEDULES:
            raise BadValueError(f"opt.schedule must be one of {_SCHEDULES}, got {self.schedule!r}.")

    @classmethod
    def of(cls, hparams: Hparams, num_steps: int, steps_per_cycle: int) -> LearningRate:
        """The schedule that `opt.*` asks for."""
        return cls(
            peak=float(hparams["opt.lr"]),
            warmup=float(hparams["opt.warmup"]),
            schedule=str(hparams["opt.schedule"]),
            num_steps=num_steps,
            steps_per_cycle=steps_per_cycle,
        )

    def at(self, step: int) -> float:
        """The rate of a step, counted from 0."""
        if self.schedule == "constant":
            return 0.5 * self.peak
        if self.schedule == "restarts":
            return self._cosine(step % self.steps_per_cycle, self.steps_per_cycle)
        return self._cosine(step, self.num_steps)

    def _cosine(self, step: int, num_steps: int) -> float:
        """The step at which it would be exactly 0 is left out, since it would change nothing."""
        warm = int(self.warmup * num_steps)
        if step < warm:
            return self.peak * (step + 1) / (warm + 1)
        return self.peak * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(num_steps - warm, 1)))


class Optimizer:
    """SGD over the trainable parameters of one child.

    Args:
        parameters: float32 master weights that receive gradients.
        momentum: Buffers to continue with, one per parameter; None starts at zero.
        hparams: `opt.*`.
        rate: Of every step.
        factors: Of the learning rate, one per parameter: a number, or a tensor of the parameter's shape; by
            default 1. They scale what the gradient adds to the momentum, which comes to the same.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        momentum: Sequence[Tensor | None],
        hparams: Hparams,
        rate: LearningRate,
        factors: Sequence[float | Tensor] = (),
    ) -> None:
        self._parameters = list(parameters)
        self._factors = [
            (parameter, factor)
            for parameter, factor in zip(self._parameters, factors, strict=bool(factors))
            if not (isinstance(factor, float) and factor == 1.0)
        ]
        self._rate = rate
        self._step = 0
        self._momentum = float(hparams["opt.momentum"])
        self._nesterov = bool(hparams["opt.nesterov"])
        self._buffers: list[Tensor | None] = [
            torch.zeros_like(parameter, requires_grad=False)
            if buffer is None
            else buffer.to(parameter).clone()
            for parameter, buffer in zip(self._parameters, momentum, strict=True)
        ]

    def step(self) -> None:
        """Clip the gradients that backward left, update the parameters, forget the gradients."""
        # The function and not torch.optim.SGD, which imports PyTorch's compiler: two seconds per process.
        reached = [(p, b) for p, b in zip(self._parameters, self._buffers, strict=True) if p.grad is not None]
        gradients = [parameter.grad for parameter, _ in reached if parameter.grad is not None]
        too_long = ((get_total_norm(gradients) + _TINY) / CLIP_NORM).clamp(min=1.0)
        for parameter, factor in self._factors:
            if parameter.grad is not None:
                parameter.grad.mul_(factor)
        with torch.no_grad():
            sgd(
                [parameter for parameter, _ in reached],
                gradients,
                [buffer for _, buffer in reached],
                grad_scale=too_long,  # divided by it on the way, so that clipping reads and writes nothing
                fused=True,
                weight_decay=0.0,
                momentum=self._momentum,
                lr=self._rate.at(self._step),
                dampening=0.0,
                nesterov=self._nesterov,
                maximize=False,
            )
        for parameter in self._parameters:
            parameter.grad = None
        self._step += 1

    def momentum(self, parameter: nn.Parameter) -> Tensor:
        """The momentum buffer of a parameter."""
        place = next(i for i, own in enumerate(self._parameters) if own is parameter)
        buffer = self._buffers[place]
        assert buffer is not None
        return buffer
