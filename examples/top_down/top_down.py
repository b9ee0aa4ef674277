"""An agent of somebody's own: every generation thaws one more layer, from the head downwards."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

from taskgrove.agents.base import Equipment
from taskgrove.agents.effort import Effort, evolving
from taskgrove.agents.evolution import draft_of, refit
from taskgrove.agents.generations import AbstractGenerational, Turn
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.records import Model
from taskgrove.mutations.mu import Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class TopDownOptions:
    """Settings of the method.

    Attributes:
        children: Per generation; they differ in their hyperparameters.
    """

    children: int = 4

    def __post_init__(self) -> None:
        if self.children < 1:
            raise BadValueError(f"agent.children must be at least 1, got {self.children}.")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TopDown(AbstractGenerational):
    """Shares all that it can: a layer is copied for the task only when those above it were not enough."""

    name = "top_down"
    summary = "thaws one more layer per generation, from the head downwards"
    options_type = TopDownOptions
    score_form = "quality"

    equipment: Equipment
    options: TopDownOptions = field(default_factory=TopDownOptions)

    def effort(self) -> Effort:
        e = self.equipment
        return evolving(e.budget, e.train.cycles, generations=None, children=self.options.children, usual=3)

    def parent(self, turn: Turn) -> Model:
        own = turn.state.population
        return max(own, key=lambda member: member.score).model if own else turn.rng.choice(turn.others)

    def child(self, turn: Turn, parent: Model) -> Sampled:
        draft = draft_of(parent, turn.task, turn.view, self.equipment)
        drawn = {choice.name: turn.rng.choice(choice.values) for choice in self.equipment.space}
        draft = replace(draft, hparams={**draft.hparams, **drawn})
        draft = refit(draft, parent, self.equipment, turn.num_classes)
        frozen = [plan for plan in draft.plans if not plan.trainable]
        thawed = frozen[len(frozen) - turn.state.generation :]
        for plan in thawed:
            draft = draft.with_plan(replace(plan, trainable=True))
        return Sampled(draft=draft, mu={}, applied={f"clone:{plan.slot}": 1.0 for plan in thawed})
