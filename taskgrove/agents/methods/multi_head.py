"""Multi-head baseline (muNet, Gesmundo & Dean, 2022a, §3.1): a head per task on a frozen root."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from taskgrove.agents.base import Equipment
from taskgrove.agents.effort import Effort
from taskgrove.agents.generations import AbstractGenerational, Turn
from taskgrove.agents.replicas import ReplicaOptions, replica, replicated, root_of
from taskgrove.domain.records import Model
from taskgrove.mutations.mu import Sampled


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MultiHead(AbstractGenerational):
    """Trains a head for each task; everything below it, the final norm too, is the root's and shared."""

    name = "multi_head"
    summary = "baseline: a new head on the frozen root, nothing else trained"
    options_type = ReplicaOptions
    score_form = "quality"

    equipment: Equipment
    options: ReplicaOptions = field(default_factory=ReplicaOptions)

    def effort(self) -> Effort:
        return replicated(self.equipment, self.options.replicas)

    def parent(self, turn: Turn) -> Model:
        return root_of(turn)

    def child(self, turn: Turn, parent: Model) -> Sampled:
        return replica(turn, parent, self.equipment)
