"""Remove the top layer (muNet §2.1; µ2Net+ §3 and Figure 1)."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import final

from taskgrove.domain.ids import SlotName
from taskgrove.mutations.base import AbstractMutation, Draft, MutationContext, Plan


@final
class RemoveLayer(AbstractMutation):
    """`remove:layer`: drop the topmost removable slot and what was inserted just before it.

    One removable slot stays: without a block a class token never sees the image. (The notebooks
    allow none.)
    """

    kind = "remove_layer"
    summary = "drop the top layer and its adapter"

    def candidates(self, draft: Draft, context: MutationContext) -> tuple[str, ...]:
        return ("remove:layer",) if len(_removable(draft, context)) > 1 else ()

    def apply(self, draft: Draft, name: str, context: MutationContext, rng: Random) -> Draft:
        top = _removable(draft, context)[-1]
        before: list[Plan] = list(draft.plans[:top])
        while before and context.slot(SlotName(before[-1].slot), draft).insertable:
            before.pop()
        return replace(draft, plans=(*before, *draft.plans[top + 1 :]))


def _removable(draft: Draft, context: MutationContext) -> list[int]:
    return [i for i, plan in enumerate(draft.plans) if context.slot(plan.slot, draft).removable]
