"""µ2Net+ (Gesmundo, 2022, A Continual Development Methodology), §3 and Algorithm 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import final

from taskgrove.agents.base import AbstractAgent, Assignment, Equipment, Verdict
from taskgrove.agents.evolution import cost_of, draft_of, lineage, model_of, origins, refit
from taskgrove.agents.population import Member, incumbents, others_of, ranked, sample_parent, score_of
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import ModelId
from taskgrove.domain.jobs import Completed, JobFailed, TrainJob
from taskgrove.domain.proposal import Proposal
from taskgrove.domain.records import Model
from taskgrove.domain.seeds import derive
from taskgrove.domain.view import SystemView
from taskgrove.mutations.base import AbstractMutation, MutationContext
from taskgrove.mutations.kinds.change_hparam import ChangeHparam
from taskgrove.mutations.kinds.change_mu import ChangeMu
from taskgrove.mutations.kinds.clone_component import CloneComponent
from taskgrove.mutations.kinds.regrow_layer import RegrowLayer
from taskgrove.mutations.kinds.remove_layer import RemoveLayer
from taskgrove.mutations.mu import Sampled, sample_mutations


@dataclass(frozen=True, slots=True, kw_only=True)
class Mu2NetPlusOptions:
    """Settings of µ2Net+.

    Attributes:
        generations: Per task iteration (4 in the paper).
        children: Per generation, whatever the hardware (8 in the paper, one per TPU core).
        private: `train`: components used by nobody but the active task are copied and trained
            without a mutation, as in the authors' notebooks; `mutate`: frozen unless cloned, as in
            the paper's text.
        learn_mu: Whether each mutation's probability is learned; otherwise all stay at `mu`.
        regrow: Whether removed layers may come back; the paper has removal only.
    """

    generations: int = 4
    children: int = 8
    private: str = "train"
    learn_mu: bool = True
    regrow: bool = False

    def __post_init__(self) -> None:
        if self.generations < 1 or self.children < 1:
            raise BadValueError(
                "agent.generations and agent.children must be at least 1, got "
                f"{self.generations} and {self.children}."
            )
        if self.private not in ("train", "mutate"):
            raise BadValueError(f"agent.private must be 'train' or 'mutate', got {self.private!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mu2NetPlusState:
    """A task iteration under way.

    Attributes:
        assignment: Seed, task and iteration.
        generation: From 0; equals the number of finished generations.
        population: The active population A, in order of arrival.
        selections: Selections as parent for the task, ever, up to the last finished generation.
        told: Outcomes of the current generation, by child.
    """

    assignment: Assignment
    generation: int
    population: tuple[Member, ...]
    selections: Mapping[ModelId, int]
    told: Mapping[int, Completed] = field(default_factory=dict)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Mu2NetPlus(AbstractAgent[Mu2NetPlusState]):
    """Evolves a task's model by cloning, hyperparameter moves and layer removal.

    Every child of a generation is sampled from the population with which the generation began,
    so that children can be trained in any order; selections count from child to child, as in the
    paper. A child is accepted when its score is at least its parent's, if the parent is of the same
    task, and always otherwise.

    Differs from the authors' notebooks, as the paper's text has it: preprocessing is sampled per
    child, all other models are tried with the half-life rule before the uniform fallback, and a
    sampled mutation is never a no-op.
    """

    name = "mu2net_plus"
    summary = "µ2Net+: evolve by cloning, hyperparameter moves and layer removal; learned µ"
    options_type = Mu2NetPlusOptions

    equipment: Equipment
    options: Mu2NetPlusOptions = field(default_factory=Mu2NetPlusOptions)

    def init(self, view: SystemView, assignment: Assignment) -> Mu2NetPlusState:
        return Mu2NetPlusState(
            assignment=assignment,
            generation=0,
            population=incumbents(assignment.task, view, self.equipment.score),
            selections=dict(view.selections.get(assignment.task, {})),
        )

    def ask(self, state: Mu2NetPlusState, view: SystemView) -> tuple[TrainJob, ...]:
        if self.finished(state):
            return ()
        selections = dict(state.selections)
        others = others_of(state.assignment.task, view, self.equipment.layout.member)
        jobs = []
        for child in range(self.options.children):
            rng = Random(self._seed(state, child, "sample"))
            parent = sample_parent(state.population, others, selections, rng)
            selections[parent.id] = selections.get(parent.id, 0) + 1
            if child not in state.told:
                jobs.append(self._job(state, view, child, parent, rng))
        return tuple(jobs)

    def judge(self, state: Mu2NetPlusState, completed: Completed, view: SystemView) -> Verdict:
        job, outcome = completed.job, completed.outcome
        if isinstance(outcome, JobFailed):
            return Verdict(score=None, model=None)
        lineage = self._lineage(state, view, job.parent)
        score = outcome.quality * job.factor
        if not outcome.trained or score < self._target(state, lineage[0], view):
            return Verdict(score=score, model=None)
        model = model_of(completed, lineage, self.equipment)
        return Verdict(score=score, model=model)

    def tell(self, state: Mu2NetPlusState, results: Sequence[Completed], view: SystemView) -> Mu2NetPlusState:
        told = {**state.told, **{done.job.child: done for done in results}}
        if len(told) < self.options.children:
            return replace(state, told=told)
        population = list(state.population)
        selections = dict(state.selections)
        for child in sorted(told):
            parent = told[child].job.parent
            selections[parent] = selections.get(parent, 0) + 1
            verdict = self.judge(state, told[child], view)
            if verdict.model is not None and verdict.score is not None:
                population.append(Member(model=verdict.model, score=verdict.score))
        return replace(
            state,
            generation=state.generation + 1,
            population=tuple(population),
            selections=selections,
            told={},
        )

    def finished(self, state: Mu2NetPlusState) -> bool:
        return state.generation >= self.options.generations

    def total_children(self) -> int:
        return self.options.generations * self.options.children

    def conclude(self, state: Mu2NetPlusState, view: SystemView) -> Proposal:
        task = state.assignment.task
        if not state.population:
            return Proposal(task=task, best=None, score=None)
        best = ranked(state.population)[0]
        return Proposal(task=task, best=best.model.id, score=best.score)

    def _seed(self, state: Mu2NetPlusState, child: int, purpose: str) -> int:
        a = state.assignment
        return derive(a.seed, self.name, a.task, a.iteration, state.generation, child, purpose)

    def _sample(self, state: Mu2NetPlusState, view: SystemView, parent: Model, rng: Random) -> Sampled:
        """Lines 18 to 24 of Algorithm 1; moved and removed slots are settled before clones are drawn."""
        task, learned = state.assignment.task, self.options.learn_mu
        context = MutationContext(
            layout=self.equipment.layout,
            space=self.equipment.space,
            num_classes=view.task(task).num_classes,
            ancestors=self._lineage(state, view, parent.id),
        )
        draft = draft_of(parent, task, view, self.equipment, train_private=self.options.private == "train")
        first: list[AbstractMutation] = [ChangeHparam(), RemoveLayer()]
        if learned:
            first.insert(0, ChangeMu())
        if self.options.regrow:
            first.append(RegrowLayer())
        changed = sample_mutations(draft, parent.mu, first, context, rng, learned=learned)
        fitted = refit(changed.draft, parent, self.equipment, context.num_classes)
        cloned = sample_mutations(fitted, changed.mu, (CloneComponent(),), context, rng, learned=learned)
        return replace(cloned, applied=changed.applied + cloned.applied)

    def _job(
        self, state: Mu2NetPlusState, view: SystemView, child: int, parent: Model, rng: Random
    ) -> TrainJob:
        task, score = state.assignment.task, self.equipment.score
        sampled = self._sample(state, view, parent, rng)
        cost = cost_of(sampled.draft, task, view, self.equipment)
        return TrainJob(
            agent=self.agent_name,
            task=task,
            iteration=state.assignment.iteration,
            generation=state.generation,
            child=child,
            member=self.equipment.layout.member,
            slots=origins(sampled.draft),
            num_classes=view.task(task).num_classes,
            hparams=sampled.draft.hparams,
            seed=self._seed(state, child, "train"),
            bar=score.bar(self._target(state, parent, view), cost),
            factor=score.factor(cost),
            config=self.equipment.train,
            parent=parent.id,
            mutations=sampled.applied,
            mu=sampled.mu,
            flops=cost.flops,
        )

    def _lineage(self, state: Mu2NetPlusState, view: SystemView, model: ModelId) -> tuple[Model, ...]:
        """A model and its live ancestors, nearest first; siblings of the population included."""
        own = {member.model.id: member.model for member in state.population}
        models = {**view.models, **own}
        return tuple(lineage(models[model], models))

    def _target(self, state: Mu2NetPlusState, parent: Model, view: SystemView) -> float:
        """The score a child must reach: its parent's when of the same task, else any."""
        if parent.task != state.assignment.task:
            return 0.0
        return score_of(parent, view, self.equipment.score)
