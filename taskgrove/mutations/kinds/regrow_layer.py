"""Bring back a removed layer; not in the papers' text, but in the authors' notebooks."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import final

from taskgrove.domain.ids import SlotName
from taskgrove.domain.records import Component
from taskgrove.mutations.base import AbstractMutation, Draft, MutationContext, Plan


@final
class RegrowLayer(AbstractMutation):
    """`regrow:layer`: share the lowest missing layer of the nearest ancestor that has it."""

    kind = "regrow_layer"
    summary = "bring back the lowest removed layer from the nearest ancestor that has it"

    def candidates(self, draft: Draft, context: MutationContext) -> tuple[str, ...]:
        return ("regrow:layer",) if _missing(draft, context) else ()

    def apply(self, draft: Draft, name: str, context: MutationContext, rng: Random) -> Draft:
        missing = _missing(draft, context)
        assert missing is not None
        slot, component = missing
        order = {s: i for i, s in enumerate(context.layout.root_slots())}
        at = next(i for i, p in enumerate(draft.plans) if order.get(p.slot, -1) > order[slot])
        plan = Plan(slot=slot, component=component, trainable=False)
        return replace(draft, plans=(*draft.plans[:at], plan, *draft.plans[at:]))


def _missing(draft: Draft, context: MutationContext) -> tuple[SlotName, Component] | None:
    present = set(draft.names())
    for slot in context.layout.root_slots():
        if slot not in present and context.slot(slot, draft).removable:
            found = (ancestor.component(slot) for ancestor in context.ancestors)
            return next(((slot, c) for c in found if c is not None), None)
    return None
