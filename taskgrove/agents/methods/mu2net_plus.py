"""µ2Net+ (Gesmundo, 2022, A Continual Development Methodology), §3 and Algorithm 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import final

from taskgrove.agents.base import Equipment
from taskgrove.agents.breeding import Rates, breed, check_evolution
from taskgrove.agents.conflicts import task_conflict, without_head
from taskgrove.agents.effort import Effort, evolving
from taskgrove.agents.generations import AbstractGenerational, GenerationState, Turn
from taskgrove.agents.population import others_of, ranked, sample_parent
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.jobs import Found, ProbeJob, ProbeResult, Study, TrainJob
from taskgrove.domain.records import Model
from taskgrove.domain.view import SystemView
from taskgrove.mutations.base import AbstractMutation
from taskgrove.mutations.kinds.change_hparam import ChangeHparam
from taskgrove.mutations.kinds.regrow_layer import RegrowLayer
from taskgrove.mutations.kinds.remove_layer import RemoveLayer
from taskgrove.mutations.mu import Sampled

NO_PRIOR = "none"
"""Other tasks' models are tried as parents in random order, as in the paper."""


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
        prior: `none`, or a measure of dissimilarity, e.g. `rsa`: once the task has a model of its own, other
            tasks' models are tried as parents in the order of their conflict with it, and layers that
            conflict more are cloned more often (beyond the paper, after 004).
        samples: Validation images that models are compared on for the prior, at most.
    """

    generations: int | None = None
    children: int = 8
    private: str = "train"
    learn_mu: bool = True
    regrow: bool = False
    prior: str = NO_PRIOR
    samples: int = 512

    def __post_init__(self) -> None:
        check_evolution(self.generations, self.children, self.private)
        if self.samples < 3:
            raise BadValueError(f"agent.samples must be at least 3, got {self.samples}.")


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

    def __post_init__(self) -> None:
        known = (NO_PRIOR, *self.equipment.measures)
        if self.options.prior not in known:
            raise UnknownNameError.of("prior", self.options.prior, known)

    def studies(self, state: GenerationState, view: SystemView) -> tuple[Study, ...]:
        if self.options.prior == NO_PRIOR or not state.population or state.told:
            return ()
        return tuple(
            ProbeJob(
                task=state.assignment.task,
                models=(ranked(state.population)[0].model.id, other.id),
                samples=self.options.samples,
                measure=self.options.prior,
                threads=self.equipment.train.threads,
                at=view.number,
            )
            for other in others_of(state.assignment.task, view, self.equipment.layout.member)
            if other.task is not None and other.id not in state.conflicts
        )

    def learn(self, state: GenerationState, found: Sequence[Found], view: SystemView) -> GenerationState:
        new = {
            other: without_head(each.result.conflicts, view.models[other], self.equipment)
            for each in found
            if isinstance(each.study, ProbeJob) and isinstance(each.result, ProbeResult)
            for other in each.study.models[1:]
        }
        return replace(state, conflicts={**state.conflicts, **new})

    def ask(self, state: GenerationState, view: SystemView) -> tuple[TrainJob, ...]:
        # Two-argument super: a dataclass with slots is not the class that its methods were written in.
        return () if self.studies(state, view) else super(Mu2NetPlus, self).ask(state, view)

    def effort(self) -> Effort:
        o, e = self.options, self.equipment
        return evolving(e.budget, e.train.cycles, generations=o.generations, children=o.children, usual=4)

    def parent(self, turn: Turn) -> Model:
        conflicts = {model: task_conflict(layers) for model, layers in turn.state.conflicts.items()}
        return sample_parent(turn.state.population, turn.others, turn.selections, turn.rng, conflicts)

    def child(self, turn: Turn, parent: Model) -> Sampled:
        o = self.options
        kinds: list[AbstractMutation] = [ChangeHparam(), RemoveLayer()]
        if o.regrow:
            kinds.append(RegrowLayer())
        rates = Rates.PER_MUTATION if o.learn_mu else Rates.CONSTANT
        return breed(turn, parent, kinds, self.equipment, private=o.private, rates=rates)
