"""Move the model's own scalar µ, the rate at which its µ table moves (method of the notebooks)."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import final

from taskgrove.mutations.base import AbstractMutation, Draft, MutationContext
from taskgrove.mutations.mu import MU


@final
class ChangeMu(AbstractMutation):
    """`hp:mu`: the scalar µ moves to a neighbouring value."""

    kind = "change_mu"
    summary = "move the rate at which the learned mutation probabilities move"

    def candidates(self, draft: Draft, context: MutationContext) -> tuple[str, ...]:
        moves = MU.name in context.space and context.space[MU.name].neighbours(draft.hparams[MU.name])
        return (f"hp:{MU.name}",) if moves else ()

    def apply(self, draft: Draft, name: str, context: MutationContext, rng: Random) -> Draft:
        value = rng.choice(context.space[MU.name].neighbours(draft.hparams[MU.name]))
        return replace(draft, hparams={**draft.hparams, MU.name: value})
