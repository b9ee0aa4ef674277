"""The trainable parameters of one child as one vector: one cast, one norm, one update per step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from taskgrove.backbones.base import Tensors
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import SlotName
from taskgrove.trainer.distributed import Team
from taskgrove.trainer.learner import NO_RATES, State
from taskgrove.trainer.optim import LearningRate, Optimizer


class FlatParameters:
    """Float32 master weights, their momentum, and what the arithmetic reads, each in one vector.

    Args:
        tensors: Master weights of every trainable slot; they are copied.
        momentum: Buffers to continue with, by slot; absent ones start at zero.
        hparams: `opt.*`.
        rate: Of every step.
        dtype: Of the working copy that the forward pass reads.
        rates: Factors of the learning rate by slot; 1 where none is given.
    """

    def __init__(
        self,
        tensors: State,
        momentum: State,
        *,
        hparams: Hparams,
        rate: LearningRate,
        dtype: torch.dtype,
        rates: Mapping[SlotName, float] = NO_RATES,
    ) -> None:
        # In order of name, so that sums over them have one order.
        self._places = sorted((slot, name) for slot in tensors for name in tensors[slot])
        self._shapes = [tensors[slot][name].shape for slot, name in self._places]
        parts = [tensors[slot][name].reshape(-1) for slot, name in self._places]
        self._master = nn.Parameter(torch.cat(parts).to(torch.float32))
        buffers = [
            momentum[slot][name].to(part).reshape(-1) if slot in momentum else torch.zeros_like(part)
            for (slot, name), part in zip(self._places, parts, strict=True)
        ]
        factors = [
            torch.full_like(part, rates.get(slot, 1.0), dtype=torch.float32)
            for (slot, _), part in zip(self._places, parts, strict=True)
        ]
        scaled = any(rates.get(slot, 1.0) != 1.0 for slot in tensors)
        self._optimizer = Optimizer(
            [self._master], [torch.cat(buffers)], hparams, rate, [torch.cat(factors)] if scaled else ()
        )
        master = self._master.detach()
        self._working = master if dtype == torch.float32 else master.to(dtype)
        self._leaves = [part.requires_grad_() for part in self._cut(self._working)]
        self._gradient = torch.empty_like(master)
        self._gradients = self._cut(self._gradient)

    @property
    def tensors(self) -> Mapping[SlotName, Tensors]:
        """What the forward pass reads, requiring gradients; they change with every step."""
        return self._by_slot(self._leaves)

    def add(self, loss: Tensor, weight: float) -> None:
        """Add `weight` times the gradients of a loss to those of the next step."""
        gradients = torch.autograd.grad(loss * weight, self._leaves, materialize_grads=True)
        if self._master.grad is None:
            torch._foreach_copy_(self._gradients, gradients)
            self._master.grad = self._gradient
        else:
            for total, gradient in zip(self._gradients, gradients, strict=True):
                total += gradient

    def step(self, team: Team) -> None:
        """Update all parameters by the gradients that the processes of a team have added."""
        assert self._master.grad is not None
        team.add(self._master.grad)
        self._optimizer.step()
        if self._working.dtype != torch.float32:
            self._working.copy_(self._master.detach())

    def snapshot(self) -> tuple[State, State]:
        """Copies of the master weights and of their momentum, by slot."""
        parameters = self._cut(self._master.detach().clone())
        momentum = self._cut(self._optimizer.momentum(self._master).clone())
        return self._by_slot(parameters), self._by_slot(momentum)

    def _cut(self, vector: Tensor) -> list[Tensor]:
        """Views of a vector in the shapes of the parameters."""
        sizes = [shape.numel() for shape in self._shapes]
        parts = vector.split_with_sizes(sizes)
        return [part.view(shape).detach() for part, shape in zip(parts, self._shapes, strict=True)]

    def _by_slot(self, tensors: list[Tensor]) -> dict[SlotName, dict[str, Tensor]]:
        named: dict[SlotName, dict[str, Tensor]] = {}
        for (slot, name), tensor in zip(self._places, tensors, strict=True):
            named.setdefault(slot, {})[name] = tensor
        return named
