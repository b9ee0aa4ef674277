"""From a parent to a mutated child, as the evolutionary methods do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from taskgrove.agents.base import Equipment
from taskgrove.agents.conflicts import clone_weights
from taskgrove.agents.evolution import draft_of, refit
from taskgrove.agents.generations import Turn, ancestry
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.records import Model
from taskgrove.mutations.base import AbstractMutation, MutationContext
from taskgrove.mutations.kinds.change_mu import ChangeMu
from taskgrove.mutations.kinds.clone_component import CloneComponent
from taskgrove.mutations.mu import MU, Sampled, sample_mutations

PRIVATE = ("train", "mutate")
"""What becomes of components that nobody but the active task uses: they are copied and trained
without a mutation, as in the authors' notebooks, or stay frozen unless cloned, as in the papers' text."""


class Rates(StrEnum):
    """Where the probability of a mutation comes from."""

    CONSTANT = "constant"
    """The search space's default µ, for every model and mutation (muNet)."""
    PER_MODEL = "per model"
    """A hyperparameter of the model, which moves like the others (µ2Net)."""
    PER_MUTATION = "per mutation"
    """A table µ(δ|m) whose entries move with the model's scalar µ as their rate (µ2Net+)."""


def check_evolution(generations: int | None, children: int, private: str = "train") -> None:
    """Refuse settings that all evolutionary methods share and that cannot be.

    Raises:
        BadValueError: One of them is out of its range.
    """
    if (generations is not None and generations < 1) or children < 1:
        raise BadValueError(
            f"agent.generations and agent.children must be at least 1, got {generations} and {children}."
        )
    if private not in PRIVATE:
        raise BadValueError(f"agent.private must be 'train' or 'mutate', got {private!r}.")


def breed(
    turn: Turn,
    parent: Model,
    mutations: Sequence[AbstractMutation],
    equipment: Equipment,
    *,
    private: str,
    rates: Rates,
) -> Sampled:
    """The parent's child after all sampled mutations (µ2Net+, Algorithm 1, lines 18 to 24).

    Slots that are moved, removed or inserted are settled before clones are drawn, so that a clone
    is never drawn for what is gone or trained anyway.

    Args:
        turn: Of the child.
        parent: Whose child it is.
        mutations: Kinds besides cloning and µ's own, in the order in which they are drawn.
        equipment: Of the agent.
        private: One of `PRIVATE`.
        rates: Where the probabilities come from; a µ that is not constant is the first to move.
    """
    table = rates is Rates.PER_MUTATION
    kinds = mutations if rates is Rates.CONSTANT else (ChangeMu(), *mutations)
    context = MutationContext(
        layout=equipment.layout,
        space=equipment.space,
        num_classes=turn.num_classes,
        ancestors=ancestry(turn.state, turn.view, parent.id),
    )
    draft = draft_of(parent, turn.task, turn.view, equipment, train_private=private == "train")
    if rates is Rates.CONSTANT:
        draft = replace(draft, hparams={**draft.hparams, MU.name: equipment.space[MU.name].default})
    changed = sample_mutations(draft, parent.mu, kinds, context, turn.rng, learned=table)
    fitted = refit(changed.draft, parent, equipment, context.num_classes)
    weights = clone_weights(turn.state.conflicts.get(parent.id, {}))
    cloned = sample_mutations(
        fitted, changed.mu, (CloneComponent(),), context, turn.rng, learned=table, weights=weights
    )
    return Sampled(draft=cloned.draft, mu=cloned.mu, applied={**changed.applied, **cloned.applied})
