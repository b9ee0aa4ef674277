"""What a mutation is, and the child under construction that it changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from taskgrove.domain.hparams import HparamValue, Space
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import AbstractLayout, Slot
from taskgrove.domain.records import Component, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where one slot of a child comes from.

    Attributes:
        slot: Its name.
        component: The published component it starts from; None for a new one.
        trainable: Whether the child trains it; a new one always is.
        resize: Whether the component is resampled to the slot's shape first.
    """

    slot: SlotName
    component: Component | None
    trainable: bool
    resize: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A child before it is trained."""

    plans: tuple[Plan, ...]
    hparams: Mapping[str, HparamValue]

    def names(self) -> tuple[SlotName, ...]:
        """The slots in order."""
        return tuple(plan.slot for plan in self.plans)

    def with_plan(self, plan: Plan) -> Draft:
        """The draft with the plan of the same slot replaced."""
        return replace(self, plans=tuple(plan if p.slot == plan.slot else p for p in self.plans))


@dataclass(frozen=True, slots=True, kw_only=True)
class MutationContext:
    """What mutations know besides the draft.

    Attributes:
        layout: Of the backbone.
        space: The searched hyperparameters.
        num_classes: Of the active task.
        ancestors: Of the child, nearest first, the parent included.
    """

    layout: AbstractLayout
    space: Space
    num_classes: int
    ancestors: tuple[Model, ...] = ()

    def slot(self, name: SlotName, draft: Draft) -> Slot:
        """The slot as it is in the draft."""
        return self.layout.slot(name, draft.hparams, self.num_classes)


class AbstractMutation(ABC):
    """A kind of mutation: a family of single actions, each with a name of its own.

    Names are the keys of the µ table, so they must not depend on anything but what is changed:
    `clone:block_0`, `hp:opt.lr`.
    """

    kind: ClassVar[str]
    """Registered name."""
    summary: ClassVar[str]
    """One line for `taskgrove list mutations`."""

    @abstractmethod
    def candidates(self, draft: Draft, context: MutationContext) -> tuple[str, ...]:
        """Names of the actions possible on the draft, in a fixed order; none is a no-op."""

    @abstractmethod
    def apply(self, draft: Draft, name: str, context: MutationContext, rng: Random) -> Draft:
        """The draft after the action `name`, one of `candidates`; always differs from `draft`."""
