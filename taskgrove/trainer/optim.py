"""The optimiser of every child: SGD with momentum, warm-up and cosine decay, clipped gradients.

muNet to µ2Net+ all use it (001 §3; 000 Table 1): global-norm clip 1.0 over the trainable
gradients, no weight decay, schedules that restart with each child.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from taskgrove.domain.hparams import Choice, Hparams, Space

CLIP_NORM = 1.0

OPTIMIZER_SPACE = Space(
    (
        Choice(
            name="opt.lr",
            values=(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
            default=0.01,
        ),
        Choice(name="opt.warmup", values=(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3), default=0.1),
        Choice(
            name="opt.momentum",
            values=(0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99),
            default=0.9,
        ),
        Choice(name="opt.nesterov", values=(False, True), default=False),
    )
)
"""µ2Net+ (Gesmundo, 2022), Table 1, optimiser hyperparameters with their defaults."""


def learning_rate(step: int, num_steps: int, peak: float, warmup: float) -> float:
    """Learning rate of a step: linear from 0 over `warmup * num_steps` steps, then cosine to 0.

    The step at which it would be exactly 0 is left out, since it would change nothing.

    Args:
        step: From 0.
        num_steps: Of the child's whole training.
        peak: `opt.lr`.
        warmup: `opt.warmup`, a ratio.
    """
    warm = int(warmup * num_steps)
    if step < warm:
        return peak * (step + 1) / (warm + 1)
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(num_steps - warm, 1)))


class Optimizer:
    """SGD over the trainable parameters of one child.

    Args:
        parameters: float32 master weights that receive gradients.
        momentum: Buffers to continue with, one per parameter; None starts at zero.
        hparams: `opt.*`.
        num_steps: Of the child's whole training.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        momentum: Sequence[Tensor | None],
        hparams: Hparams,
        num_steps: int,
    ) -> None:
        self._parameters = list(parameters)
        self._num_steps = num_steps
        self._peak = float(hparams["opt.lr"])
        self._warmup = float(hparams["opt.warmup"])
        self._step = 0
        self._sgd = torch.optim.SGD(
            self._parameters,
            lr=self._peak,
            momentum=float(hparams["opt.momentum"]),
            nesterov=bool(hparams["opt.nesterov"]),
            fused=True,
        )
        for parameter, buffer in zip(self._parameters, momentum, strict=True):
            start = torch.zeros_like(parameter) if buffer is None else buffer.to(parameter).clone()
            self._sgd.state[parameter]["momentum_buffer"] = start

    def step(self) -> None:
        """Clip the gradients that backward left, update the parameters, forget the gradients."""
        lr = learning_rate(self._step, self._num_steps, self._peak, self._warmup)
        for group in self._sgd.param_groups:
            group["lr"] = lr
        nn.utils.clip_grad_norm_(self._parameters, CLIP_NORM)
        self._sgd.step()
        self._sgd.zero_grad(set_to_none=True)
        self._step += 1

    def momentum(self, parameter: nn.Parameter) -> Tensor:
        """The momentum buffer of a parameter."""
        buffer: Tensor = self._sgd.state[parameter]["momentum_buffer"]
        return buffer
