"""Images on their way through a tree: each layer computes an image once, for all models above it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from taskgrove.backbones.base import Tensors
from taskgrove.domain.ids import ComponentId
from taskgrove.serving.memory import ImageMemory
from taskgrove.serving.tree import Node


@dataclass(frozen=True, slots=True)
class _Step:
    """What a layer has to do.

    Attributes:
        wanted: (n,) positions of the images whose values are read above, ascending.
        missing: (m,) those among them that are not remembered.
        known: Values of the others, by position.
    """

    wanted: Tensor
    missing: Tensor
    known: dict[int, Tensor]


class Flow:
    """One batch of images through layers of one trunk.

    Args:
        tensors: Of all components on the way, on the device.
        nodes: All on the way to what is asked for.
        memory: What is remembered of images.
        names: What tells each image from all others.
    """

    def __init__(
        self,
        tensors: Mapping[ComponentId, Tensors],
        nodes: Collection[Node],
        memory: ImageMemory,
        names: Sequence[bytes],
    ) -> None:
        self._tensors = tensors
        self._nodes = nodes
        self._memory = memory
        self._names = names
        self._steps: dict[Node, _Step] = {}

    def answers(self, lowest: Iterable[Node], images: Tensor) -> dict[Node, Tensor]:
        """The logits of every model on the way.

        Args:
            lowest: The trunk's layers that read images.
            images: (N, 3, S, S), prepared.

        Returns:
            (N, K) by the layer that made it.
        """
        made: dict[Node, Tensor] = {}
        for node in lowest:
            if node in self._nodes:
                self._plan(node)
                self._pour(node, torch.arange(len(images)), images, made)
        return made

    def _plan(self, node: Node) -> Tensor:
        """Decide what a layer and those above it have to do; gives the images that it has to read."""
        reading = [self._plan(above) for above in node.above.values() if above in self._nodes]
        if node.is_answer:
            reading.append(torch.arange(len(self._names)))
        wanted = torch.unique(torch.cat(reading))
        known = self._known(node, wanted) if self._memory.keeps and node.is_asked_again else {}
        missing = torch.tensor([i for i in wanted.tolist() if i not in known]) if known else wanted
        self._steps[node] = _Step(wanted, missing.to(torch.int64), known)
        return self._steps[node].missing

    def _known(self, node: Node, wanted: Tensor) -> dict[int, Tensor]:
        found = {i: self._memory.find(node.number, self._names[i]) for i in wanted.tolist()}
        return {i: row for i, row in found.items() if row is not None}

    def _pour(self, node: Node, at: Tensor, x: Tensor, made: dict[Node, Tensor]) -> None:
        """Compute a layer and those above it from `x`, the values of the images at `at`."""
        step = self._steps[node]
        y = self._values(node, step, at, x)
        if node.is_answer:
            made[node] = y
        for above in node.above.values():
            if above in self._nodes:
                self._pour(above, step.wanted, y, made)

    def _values(self, node: Node, step: _Step, at: Tensor, x: Tensor) -> Tensor:
        if not len(step.missing):
            rows = [step.known[i] for i in step.wanted.tolist()]
            return torch.stack(rows) if rows else x[:0]  # of which nothing is read
        if len(step.missing) < len(at):
            x = x[torch.searchsorted(at, step.missing).to(x.device)]
        computed = node.apply(self._tensors[node.component], x)
        if self._memory.keeps and node.is_asked_again:
            self._memory.keep(node.number, [self._names[i] for i in step.missing.tolist()], computed)
        if not step.known:
            return computed
        values = dict(zip(step.missing.tolist(), computed, strict=True)) | step.known
        return torch.stack([values[i] for i in step.wanted.tolist()])
