"""What agents know of a backbone family: its slots, their shapes and their cost; no tensors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import SlotName


class Role(StrEnum):
    """How a slot behaves when a model of another task becomes the parent."""

    BODY = "body"
    """Shared unless cloned."""
    HEAD_NORM = "head_norm"
    """Always cloned together with the head."""
    HEAD = "head"
    """New (zero) for a new task, copied for the same task; always trainable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One place in a model that a component fills.

    Attributes:
        name: Unique in the model, e.g. `block_2`.
        kind: What fits in, e.g. `block`; components are interchangeable within a kind and shape.
        shapes: Shape of every tensor by name.
        flops: Floating-point operations of its forward pass per image, 2 per multiply-add.
        product_flops: Of these, those that multiply two activations (attention), not a parameter.
        deep: Whether parameters come before its last product, e.g. a norm, so that training it needs
            the gradient of every product's input.
        role: What a change of task does to it.
        removable: Whether the removal mutation may take it when it is the topmost removable one.
        resizable: Whether a component of another shape can be resampled to fit (position embedding).
        insertable: Whether it is absent from a root and may be inserted (residual adapters).
    """

    name: SlotName
    kind: str
    shapes: Mapping[str, tuple[int, ...]]
    flops: int
    product_flops: int = 0
    deep: bool = False
    role: Role = Role.BODY
    removable: bool = False
    resizable: bool = False
    insertable: bool = False

    @property
    def num_params(self) -> int:
        """Number of parameters of a component that fills the slot."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def training_flops(slots: Sequence[tuple[Slot, bool]]) -> int:
    """Floating-point operations of one image's forward and backward pass.

    The backward pass costs a slot's products with parameters once for the gradient of the
    parameters, when it is trainable, and once for that of the input, when anything below is
    trainable; a product of two activations then costs twice.

    Args:
        slots: In the order of the data, each with whether it is trainable.
    """
    total, below = 0, False
    for slot, trainable in slots:
        with_parameters = slot.flops - slot.product_flops
        total += slot.flops + with_parameters * trainable
        if below or (trainable and slot.deep):
            total += with_parameters + 2 * slot.product_flops
        below = below or trainable
    return total


class AbstractLayout(ABC):
    """The structure of one member of a family, as pure data and closed formulas.

    Implementations are frozen dataclasses without tensors; they are handed to agents, which may
    not import the family itself.
    """

    @property
    @abstractmethod
    def member(self) -> str:
        """The registered name, e.g. `vit-ti3`."""

    @abstractmethod
    def root_slots(self) -> tuple[SlotName, ...]:
        """Slot names of a root model in the order in which data flows through them."""

    @abstractmethod
    def slot(self, name: SlotName, hparams: Hparams, num_classes: int) -> Slot:
        """The slot called `name` in a model with these hyperparameters.

        Args:
            name: A root slot or an insertable one.
            hparams: Must contain what the shapes depend on (for vision families `data.resolution`).
            num_classes: Width of the head.

        Raises:
            UnknownNameError: The layout has no such slot.
        """

    @abstractmethod
    def insertable_slots(self, present: Sequence[SlotName]) -> tuple[tuple[SlotName, int], ...]:
        """Slots that may be inserted into a model, each with the index at which it goes."""

    @abstractmethod
    def check(self, names: Sequence[SlotName]) -> None:
        """Refuse a sequence of slots that is not a model of this family.

        Raises:
            BadValueError: Slots are missing, unknown, repeated or out of order.
        """
