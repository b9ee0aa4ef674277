"""Random search: the shortest agent there is, and the null hypothesis of all others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

from taskgrove.agents.base import Equipment
from taskgrove.agents.breeding import check_evolution
from taskgrove.agents.effort import Effort, evolving
from taskgrove.agents.evolution import draft_of, refit
from taskgrove.agents.generations import AbstractGenerational, Turn
from taskgrove.domain.records import Model
from taskgrove.mutations.mu import Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSearchOptions:
    """Settings of random search.

    Attributes:
        generations: Per task iteration; what the budget allows by default, 4 without one.
        children: Per generation.
    """

    generations: int | None = None
    children: int = 8

    def __post_init__(self) -> None:
        check_evolution(self.generations, self.children)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSearch(AbstractGenerational):
    """Any parent, any hyperparameters, each layer cloned or not by the toss of a coin.

    An agent says three things: its effort, whose child is next, and what becomes of that child.
    Everything else about a task iteration is in `AbstractGenerational`.
    """

    name = "random_search"
    summary = "null hypothesis: random parents, random hyperparameters, random clones"
    options_type = RandomSearchOptions
    score_form = "quality"

    equipment: Equipment
    options: RandomSearchOptions = field(default_factory=RandomSearchOptions)

    def effort(self) -> Effort:
        o, e = self.options, self.equipment
        return evolving(e.budget, e.train.cycles, generations=o.generations, children=o.children, usual=4)

    def parent(self, turn: Turn) -> Model:
        return turn.rng.choice([*(member.model for member in turn.state.population), *turn.others])

    def child(self, turn: Turn, parent: Model) -> Sampled:
        draft = draft_of(parent, turn.task, turn.view, self.equipment)
        drawn = {choice.name: turn.rng.choice(choice.values) for choice in self.equipment.space}
        draft = replace(draft, hparams={**draft.hparams, **drawn})
        draft = refit(draft, parent, self.equipment, turn.num_classes)
        cloned = [plan for plan in draft.plans if not plan.trainable and turn.rng.random() < 0.5]
        for plan in cloned:
            draft = draft.with_plan(replace(plan, trainable=True))
        applied = {f"hp:{name}": 1.0 for name in drawn} | {f"clone:{plan.slot}": 0.5 for plan in cloned}
        return Sampled(draft=draft, mu={}, applied=applied)
