"""µ2Net+ (Gesmundo, 2022, A Continual Development Methodology), §3 and Algorithm 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from taskgrove.agents.base import Equipment
from taskgrove.agents.breeding import Rates, breed, check_evolution
from taskgrove.agents.effort import Effort, evolving
from taskgrove.agents.generations import AbstractGenerational, Turn
from taskgrove.agents.population import sample_parent
from taskgrove.domain.records import Model
from taskgrove.mutations.base import AbstractMutation
from taskgrove.mutations.kinds.change_hparam import ChangeHparam
from taskgrove.mutations.kinds.regrow_layer import RegrowLayer
from taskgrove.mutations.kinds.remove_layer import RemoveLayer
from taskgrove.mutations.mu import Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Mu2NetPlusOptions:
    """Settings of µ2Net+.

    Attributes:
        generations: Per task iteration; what the budget allows by default, 4 without one as in the
            paper.
        children: Per generation, whatever the hardware (8 in the paper, one per TPU core).
        private: `train`: components used by nobody but the active task are copied and trained
            without a mutation, as in the authors' notebooks; `mutate`: frozen unless cloned, as in
            the paper's text.
        learn_mu: Whether each mutation's probability is learned; otherwise all stay at `mu`.
        regrow: Whether removed layers may come back; the paper has removal only.
    """

    generations: int | None = None
    children: int = 8
    private: str = "train"
    learn_mu: bool = True
    regrow: bool = False

    def __post_init__(self) -> None:
        check_evolution(self.generations, self.children, self.private)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Mu2NetPlus(AbstractGenerational):
    """Evolves a task's model by cloning, hyperparameter moves and layer removal.

    Differs from the authors' notebooks, as the paper's text has it: preprocessing is sampled per
    child, all other models are tried with the half-life rule before the uniform fallback, and a
    sampled mutation is never a no-op.
    """

    name = "mu2net_plus"
    summary = "µ2Net+: evolve by cloning, hyperparameter moves and layer removal; learned µ"
    options_type = Mu2NetPlusOptions

    equipment: Equipment
    options: Mu2NetPlusOptions = field(default_factory=Mu2NetPlusOptions)

    def effort(self) -> Effort:
        o, e = self.options, self.equipment
        return evolving(e.budget, e.train.cycles, generations=o.generations, children=o.children, usual=4)

    def parent(self, turn: Turn) -> Model:
        return sample_parent(turn.state.population, turn.others, turn.selections, turn.rng)

    def child(self, turn: Turn, parent: Model) -> Sampled:
        o = self.options
        kinds: list[AbstractMutation] = [ChangeHparam(), RemoveLayer()]
        if o.regrow:
            kinds.append(RegrowLayer())
        rates = Rates.PER_MUTATION if o.learn_mu else Rates.CONSTANT
        return breed(turn, parent, kinds, self.equipment, private=o.private, rates=rates)
