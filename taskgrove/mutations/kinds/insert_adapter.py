"""Insert a residual adapter between two layers (muNet §2.1; Rebuffi et al., 2017)."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import final

from taskgrove.domain.ids import SlotName
from taskgrove.mutations.base import AbstractMutation, Draft, MutationContext, Plan


@final
class InsertAdapter(AbstractMutation):
    """`insert:<slot>`: a new adapter whose output is zero, so that the function does not change."""

    kind = "insert_adapter"
    summary = "insert a residual adapter that starts as the identity"

    def candidates(self, draft: Draft, context: MutationContext) -> tuple[str, ...]:
        return tuple(f"insert:{slot}" for slot, _ in context.layout.insertable_slots(draft.names()))

    def apply(self, draft: Draft, name: str, context: MutationContext, rng: Random) -> Draft:
        slot = SlotName(name.removeprefix("insert:"))
        at = dict(context.layout.insertable_slots(draft.names()))[slot]
        plan = Plan(slot=slot, component=None, trainable=True)
        return replace(draft, plans=(*draft.plans[:at], plan, *draft.plans[at:]))
