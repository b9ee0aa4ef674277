"""What a backbone family is: initial tensors, pure functions per slot, and foreign weights.

Shape suffixes: B batch, C channels, H height, W width, T tokens, D width of the model, K classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from torch import Generator, Tensor

from taskgrove.domain.hparams import Space
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import AbstractLayout, Slot

Tensors = Mapping[str, Tensor]


def _all(output: Tensor) -> Tensor:
    return output


class Layer(NamedTuple):
    """A slot's function in a chain.

    Attributes:
        label: What it computes; two layers of a family with the same label, tensors and input agree.
        apply: From the slot's tensors and its input to its output.
        own: What the slot has made itself, out of its output, where more flows on.
    """

    label: str
    apply: Callable[[Tensors, Tensor], Tensor]
    own: Callable[[Tensor], Tensor] = _all


class AbstractFamily(ABC):
    """A kind of backbone whose models are a sequence of slots through which one tensor flows.

    A model's forward pass is `x = apply(slot, tensors, x)` over its slots in order, from images
    (B, 3, H, W), float, in [-1, 1], to logits (B, K). Implementations hold no state and draw random
    numbers only from the generator they are given.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The family's registered name; its members are called `<name>-<size>`."""

    @property
    @abstractmethod
    def members(self) -> Sequence[str]:
        """Names of the registered sizes; the first is tiny and serves tests."""

    @abstractmethod
    def layout(self, member: str) -> AbstractLayout:
        """The structure of a member.

        Raises:
            UnknownNameError: There is no such member.
        """

    @abstractmethod
    def space(self, member: str) -> Space:
        """The architecture's own hyperparameters, `data.resolution` among them."""

    @abstractmethod
    def insertion_space(self, member: str) -> Space:
        """Hyperparameters of what may be inserted (muNet's residual adapters); often none."""

    @abstractmethod
    def init(self, slot: Slot, generator: Generator) -> dict[str, Tensor]:
        """New float32 tensors for a slot, in the slot's shapes; a head is all zeros."""

    @abstractmethod
    def resize(self, slot: Slot, tensors: Tensors) -> dict[str, Tensor]:
        """Resample a component of another shape to a resizable slot's shapes.

        Raises:
            BadValueError: The slot is not resizable.
        """

    @abstractmethod
    def apply(self, slot: Slot, tensors: Tensors, x: Tensor) -> Tensor:
        """The slot's part of the forward pass, differentiable in `tensors` and `x`.

        Computes in the dtype of `tensors`, which is also `x`'s.
        """

    def chain(self, slots: Sequence[Slot]) -> tuple[Layer, ...]:
        """The functions of a whole model's slots, for speed: together they give what `apply` gives.

        Only the logits must agree, up to rounding: between two slots a family may leave out what the
        slots above do not read. By default nothing is left out.
        """
        return tuple(Layer(slot.name, partial(self.apply, slot)) for slot in slots)

    @abstractmethod
    def read_weights(self, path: Path, member: str) -> dict[SlotName, dict[str, Tensor]]:
        """Components of a root model from a weights file in a public format.

        The head is not read: a root's head serves no task.

        Raises:
            WeightsError: The file is missing, of an unknown format, or does not fit the member.
        """

    @abstractmethod
    def write_weights(self, components: Mapping[SlotName, Tensors], member: str) -> bytes:
        """The content of a `.safetensors` file that `read_weights` reads back, for roots trained here.

        Args:
            components: Tensors by slot, which keep their dtype; a head, if there is one, is left out.
            member: Whose root they are.

        Raises:
            WeightsError: The family has no file format to write.
        """
