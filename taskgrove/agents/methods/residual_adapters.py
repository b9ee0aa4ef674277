"""Residual adapters (Rebuffi et al., 2017) as a baseline (muNet, Gesmundo & Dean, 2022a, §3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

from taskgrove.agents.base import Equipment
from taskgrove.agents.effort import Effort
from taskgrove.agents.generations import AbstractGenerational, Turn
from taskgrove.agents.replicas import ADAPTER_DIM, REPLICAS, check_replicas, replica, replicated, root_of
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.records import Model
from taskgrove.mutations.base import MutationContext
from taskgrove.mutations.kinds.insert_adapter import InsertAdapter
from taskgrove.mutations.mu import Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualAdaptersOptions:
    """Settings of the residual adapters.

    Attributes:
        dim: Inner dimension of each (8 to 512 in the paper, where 512 is the best).
        replicas: As of `fine_tune`.
    """

    dim: int = 512
    replicas: int = REPLICAS

    def __post_init__(self) -> None:
        check_replicas(self.replicas)
        if self.dim < 1:
            raise BadValueError(f"agent.dim is a width and must be at least 1, got {self.dim}.")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualAdapters(AbstractGenerational):
    """Trains an adapter before each layer and the head; the root itself is frozen and shared.

    The inner dimension need not be one that a search space knows; all other hyperparameters are the
    experiment's defaults.
    """

    name = "residual_adapters"
    summary = "baseline: an adapter before each layer of the frozen root, and a head"
    options_type = ResidualAdaptersOptions
    score_form = "quality"

    equipment: Equipment
    options: ResidualAdaptersOptions = field(default_factory=ResidualAdaptersOptions)

    def effort(self) -> Effort:
        layout = self.equipment.layout
        if not layout.insertable_slots(layout.root_slots()):
            raise BadValueError(
                f"{layout.member} has no place for residual adapters. Choose another backbone or baseline."
            )
        return replicated(self.equipment, self.options.replicas)

    def parent(self, turn: Turn) -> Model:
        return root_of(turn)

    def child(self, turn: Turn, parent: Model) -> Sampled:
        plain = replica(turn, parent, self.equipment, hparams={ADAPTER_DIM: self.options.dim})
        draft, insert = plain.draft, InsertAdapter()
        context = MutationContext(
            layout=self.equipment.layout, space=self.equipment.space, num_classes=turn.num_classes
        )
        places = insert.candidates(draft, context)
        for place in places:
            draft = insert.apply(draft, place, context, turn.rng)
        return replace(plain, draft=draft, applied={**plain.applied, **dict.fromkeys(places, 1.0)})
