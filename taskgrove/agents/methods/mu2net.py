"""µ2Net (Gesmundo & Dean, 2022b), as µ2Net+ (Gesmundo, 2022), §3, describes what it extends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from taskgrove.agents.base import Equipment
from taskgrove.agents.breeding import Rates, breed, check_evolution
from taskgrove.agents.effort import Effort, evolving
from taskgrove.agents.generations import AbstractGenerational, Turn
from taskgrove.agents.population import sample_parent
from taskgrove.domain.records import Model
from taskgrove.mutations.kinds.change_hparam import ChangeHparam
from taskgrove.mutations.mu import Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Mu2NetOptions:
    """Settings of µ2Net.

    Attributes:
        generations: Per task iteration; what the budget allows by default, 4 without one.
        children: Per generation, whatever the hardware.
        private: As of µ2Net+.
        learn_mu: Whether a model's mutation probability is one of its hyperparameters; otherwise it
            stays at `mu`.
    """

    generations: int | None = None
    children: int = 8
    private: str = "train"
    learn_mu: bool = True

    def __post_init__(self) -> None:
        check_evolution(self.generations, self.children, self.private)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Mu2Net(AbstractGenerational):
    """Evolves a task's model by cloning and hyperparameter moves, with one learned µ per model.

    Two types of mutation, a fixed resolution, a score without compute factor; parents as in
    µ2Net+'s Algorithm 1, clones with their momentum, no seed phase. Differs from the authors'
    notebook like µ2Net+ does.
    """

    name = "mu2net"
    summary = "µ2Net: evolve by cloning and hyperparameter moves; one learned µ per model"
    options_type = Mu2NetOptions
    space = "mu2net"
    score_form = "munet"

    equipment: Equipment
    options: Mu2NetOptions = field(default_factory=Mu2NetOptions)

    def effort(self) -> Effort:
        o, e = self.options, self.equipment
        return evolving(e.budget, e.train.cycles, generations=o.generations, children=o.children, usual=4)

    def parent(self, turn: Turn) -> Model:
        return sample_parent(turn.state.population, turn.others, turn.selections, turn.rng)

    def child(self, turn: Turn, parent: Model) -> Sampled:
        rates = Rates.PER_MODEL if self.options.learn_mu else Rates.CONSTANT
        return breed(
            turn, parent, (ChangeHparam(),), self.equipment, private=self.options.private, rates=rates
        )
