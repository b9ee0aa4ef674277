"""Train a copy of a frozen component (muNet §2.1; with its momentum, µ2Net+ §3)."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import final

from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import Role
from taskgrove.mutations.base import AbstractMutation, Draft, MutationContext


@final
class CloneComponent(AbstractMutation):
    """`clone:<slot>`: a shared component becomes a trainable copy; all others stay shared."""

    kind = "clone_component"
    summary = "train a copy of a shared component instead of sharing it"

    def candidates(self, draft: Draft, context: MutationContext) -> tuple[str, ...]:
        return tuple(
            f"clone:{plan.slot}"
            for plan in draft.plans
            if not plan.trainable and context.slot(plan.slot, draft).role is Role.BODY
        )

    def apply(self, draft: Draft, name: str, context: MutationContext, rng: Random) -> Draft:
        slot = SlotName(name.removeprefix("clone:"))
        plan = next(p for p in draft.plans if p.slot == slot)
        return draft.with_plan(replace(plan, trainable=True))
