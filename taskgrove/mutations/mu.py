"""The learned mutation probability µ(δ|m): a look-up table by mutation (µ2Net+ §3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from taskgrove.domain.hparams import Choice
from taskgrove.mutations.base import AbstractMutation, Draft, MutationContext

MU = Choice(name="mu", values=tuple(round(0.02 * i, 2) for i in range(1, 16)), default=0.2)
"""Valid mutation probabilities of µ2Net+: the multiples of 0.02 in [0.02, 0.3]; all start at 0.2."""

MU2NET_MU = Choice(name=MU.name, values=tuple(v for v in MU.values if float(v) >= 0.1), default=0.2)
"""µ2Net's probability, one per model, learned (Gesmundo & Dean, 2022b; values of the notebook)."""

MUNET_MU = Choice(name=MU.name, values=MU.values, default=0.1)
"""muNet's probability, a constant (Gesmundo & Dean, 2022a, §2.2)."""


UNWEIGHTED: Mapping[str, float] = {}
"""Every action has the probability that the table gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """A mutated draft, the child's µ table, and what was applied with which probability."""

    draft: Draft
    mu: Mapping[str, float]
    applied: Mapping[str, float]


def sample_mutations(
    draft: Draft,
    mu: Mapping[str, float],
    mutations: Sequence[AbstractMutation],
    context: MutationContext,
    rng: Random,
    *,
    learned: bool,
    weights: Mapping[str, float] = UNWEIGHTED,
) -> Sampled:
    """Apply each possible mutation independently with its probability µ(δ|m).

    With `learned`, an entry of the table first moves to a neighbouring value with the probability
    given by the model's scalar µ (`hparams["mu"]`), and the moved value is the one that is used and
    inherited. Entries that never moved are not stored and have the default value. Kinds are visited
    in the order given and see the draft as the earlier ones have left it.

    Args:
        draft: The child before mutation.
        mu: The parent's table.
        mutations: Kinds of mutations.
        context: What mutations know besides the draft.
        rng: Of this child alone.
        learned: False keeps every probability at the scalar µ.
        weights: Factors of the probabilities of single actions; the table does not know of them.
    """
    table = dict(mu)
    applied: dict[str, float] = {}
    for mutation in mutations:
        for name in mutation.candidates(draft, context):
            rate = float(draft.hparams[MU.name])
            probability = _moved(table, name, rate, rng) if learned else rate
            probability = min(1.0, probability * weights.get(name, 1.0))
            if rng.random() < probability:
                draft = mutation.apply(draft, name, context, rng)
                applied[name] = probability
    return Sampled(draft=draft, mu=table, applied=applied)


def _moved(table: dict[str, float], name: str, rate: float, rng: Random) -> float:
    value = table.get(name, MU.default)
    if rng.random() < rate:
        value = rng.choice(MU.neighbours(value))
        table[name] = float(value)
    return float(value)
