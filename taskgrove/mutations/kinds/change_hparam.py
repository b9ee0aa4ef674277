"""Move a hyperparameter to a neighbouring value (µ2Net+ §3, Table 1)."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import final

from taskgrove.mutations.base import AbstractMutation, Draft, MutationContext
from taskgrove.mutations.mu import MU


@final
class ChangeHparam(AbstractMutation):
    """`hp:<name>`: one of the neighbouring values, equally likely; never a no-op."""

    kind = "change_hparam"
    summary = "move a hyperparameter to a neighbouring value"

    def candidates(self, draft: Draft, context: MutationContext) -> tuple[str, ...]:
        return tuple(
            f"hp:{choice.name}"
            for choice in context.space
            if choice.name != MU.name and choice.neighbours(draft.hparams[choice.name])
        )

    def apply(self, draft: Draft, name: str, context: MutationContext, rng: Random) -> Draft:
        choice = context.space[name.removeprefix("hp:")]
        value = rng.choice(choice.neighbours(draft.hparams[choice.name]))
        return replace(draft, hparams={**draft.hparams, choice.name: value})
