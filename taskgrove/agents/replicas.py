"""Baselines (muNet, §3.1): replicas of the root that differ in their seed and share out the budget."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from taskgrove.agents.base import Equipment
from taskgrove.agents.effort import Effort, replicating
from taskgrove.agents.evolution import draft_of, refit
from taskgrove.agents.generations import Turn
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import SlotName
from taskgrove.domain.records import Model
from taskgrove.mutations.mu import Sampled

REPLICAS = 8
"""In the paper, one per TPU core."""

ADAPTER_DIM = "arch.adapter_dim"
"""Inner dimension of residual adapters, by the name that families with adapters give it."""


def check_replicas(replicas: int) -> None:
    """Refuse a number of replicas that cannot be.

    Raises:
        BadValueError: It is not positive.
    """
    if replicas < 1:
        raise BadValueError(f"agent.replicas must be at least 1, got {replicas}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaOptions:
    """Settings of a baseline that has no others.

    Attributes:
        replicas: Trained per task iteration; they differ in their seed and share the budget equally
            (8 in the paper, one per TPU core).
    """

    replicas: int = REPLICAS

    def __post_init__(self) -> None:
        check_replicas(self.replicas)


def replicated(equipment: Equipment, replicas: int) -> Effort:
    """One generation of replicas that share the iteration's budget equally.

    Raises:
        BadValueError: They cannot.
    """
    return replicating(equipment.budget, equipment.train.cycles, replicas=replicas)


def root_of(turn: Turn) -> Model:
    """The first root model of the backbone: the one parent of all replicas."""
    return next(model for model in turn.others if model.task is None)


def replica(
    turn: Turn,
    root: Model,
    equipment: Equipment,
    *,
    trained: Collection[SlotName] = (),
    hparams: Mapping[str, HparamValue] | None = None,
) -> Sampled:
    """The root's child with a new head, of which some components are trained and all others shared.

    A position embedding at another resolution than the root's is resampled and trained, too.

    Args:
        turn: Of the child.
        root: Its parent.
        equipment: Of the agent.
        trained: Slots whose components are copied and trained; the head always is new and trained.
        hparams: Those that differ from the experiment's defaults.
    """
    plain = draft_of(root, turn.task, turn.view, equipment, train_norm=False)
    given = {n: v for n, v in (hparams or {}).items() if plain.hparams.get(n) != v}
    chosen = replace(
        plain,
        plans=tuple(replace(p, trainable=p.trainable or p.slot in trained) for p in plain.plans),
        hparams={**plain.hparams, **given},
    )
    draft = refit(chosen, root, equipment, turn.num_classes)
    clones = (f"clone:{p.slot}" for p in draft.plans if p.trainable and p.component is not None)
    return Sampled(
        draft=draft, mu={}, applied=dict.fromkeys((*(f"hp:{name}" for name in given), *clones), 1.0)
    )
