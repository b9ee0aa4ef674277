"""muNet (Gesmundo & Dean, 2022a), §2 and Algorithm 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import final

from taskgrove.agents.base import Equipment
from taskgrove.agents.breeding import Rates, breed, check_evolution
from taskgrove.agents.effort import Effort, evolving
from taskgrove.agents.evolution import draft_of, refit
from taskgrove.agents.generations import AbstractGenerational, Turn
from taskgrove.agents.population import sample_by_score
from taskgrove.domain.records import Model
from taskgrove.domain.seeds import derive
from taskgrove.mutations.base import AbstractMutation
from taskgrove.mutations.kinds.change_hparam import ChangeHparam
from taskgrove.mutations.kinds.insert_adapter import InsertAdapter
from taskgrove.mutations.kinds.remove_layer import RemoveLayer
from taskgrove.mutations.mu import Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class MuNetOptions:
    """Settings of muNet.

    Attributes:
        generations: Per task iteration; what the budget allows by default, 8 without one as in the
            paper.
        children: Per generation, whatever the hardware (8 in the paper, one per TPU core).
        private: As of µ2Net+; muNet's notebook, too, trains what nobody else uses.
        auto_tune: Whether hyperparameters may change; without it a child has its parent's, which are
            the defaults unless another method tuned them ("muNet without auto-tuning", 001, Table 1).
        insert_adapters: Whether residual adapters may be inserted (001, Figure 4).
    """

    generations: int | None = None
    children: int = 8
    private: str = "train"
    auto_tune: bool = True
    insert_adapters: bool = True

    def __post_init__(self) -> None:
        check_evolution(self.generations, self.children, self.private)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class MuNet(AbstractGenerational):
    """Evolves a task's model by cloning, adapters, layer removal and hyperparameter moves.

    Each task iteration begins with the seed phase: the roots and every other task's model are a
    parent once, in random order, and their children get a new head and nothing else. µ is a constant,
    optimisers start afresh, and only a better score than the parent's is accepted.
    """

    name = "munet"
    summary = "muNet: evolve by cloning, residual adapters, layer removal and hyperparameter moves"
    options_type = MuNetOptions
    space = "munet"
    score_form = "munet"
    strict = True
    carries_momentum = False

    equipment: Equipment
    options: MuNetOptions = field(default_factory=MuNetOptions)

    def effort(self) -> Effort:
        o, e = self.options, self.equipment
        return evolving(e.budget, e.train.cycles, generations=o.generations, children=o.children, usual=8)

    def parent(self, turn: Turn) -> Model:
        if _seeding(turn):
            return self._seeds(turn)[turn.number]
        return sample_by_score(turn.state.population, turn.others, turn.selections, turn.rng)

    def child(self, turn: Turn, parent: Model) -> Sampled:
        if _seeding(turn):
            plain = draft_of(parent, turn.task, turn.view, self.equipment, train_norm=False)
            draft = refit(plain, parent, self.equipment, turn.num_classes)
            return Sampled(draft=draft, mu={}, applied={})
        o = self.options
        kinds: list[AbstractMutation] = [ChangeHparam()] if o.auto_tune else []
        kinds.append(RemoveLayer())
        if o.insert_adapters:
            kinds.append(InsertAdapter())
        return breed(turn, parent, kinds, self.equipment, private=o.private, rates=Rates.CONSTANT)

    def _seeds(self, turn: Turn) -> list[Model]:
        """The seed parents in the iteration's own random order."""
        a = turn.state.assignment
        seeds = list(turn.others)
        Random(derive(a.seed, self.name, a.task, a.iteration, "seeds")).shuffle(seeds)
        return seeds


def _seeding(turn: Turn) -> bool:
    return turn.number < len(turn.others)
