"""A task iteration as generations of children: what all methods have in common that work so."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import ClassVar

from taskgrove.agents.base import AbstractAgent, Assignment, Equipment, Verdict
from taskgrove.agents.conflicts import Conflicts
from taskgrove.agents.effort import Effort
from taskgrove.agents.evolution import cost_of, lineage, model_of, origins
from taskgrove.agents.population import Member, incumbents, others_of, ranked, score_of, stranger
from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.jobs import Completed, JobFailed, TrainJob
from taskgrove.domain.proposal import Proposal
from taskgrove.domain.records import Model
from taskgrove.domain.seeds import derive
from taskgrove.domain.view import SystemView
from taskgrove.mutations.mu import Sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationState:
    """A task iteration under way.

    Attributes:
        assignment: Seed, task and iteration.
        generation: From 0; equals the number of finished generations.
        population: The active population A, in order of arrival.
        selections: Selections as parent for the task, ever, up to the last finished generation.
        told: Outcomes of the current generation, by child.
        past: Outcomes of the finished generations, in order.
        conflicts: Of the task's best model with others, by layer, where the method has asked for them.
    """

    assignment: Assignment
    generation: int
    population: tuple[Member, ...]
    selections: Mapping[ModelId, int]
    told: Mapping[int, Completed] = field(default_factory=dict)
    past: tuple[Completed, ...] = ()
    conflicts: Mapping[ModelId, Conflicts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A child that is about to be sampled.

    Attributes:
        state: At the beginning of its generation.
        view: The system at the beginning of the iteration.
        number: Of the child in the whole iteration, from 0.
        others: All models of the system that are not of the task but of its backbone, roots first.
        selections: How often each model was a parent, the generation's earlier children included.
        rng: Of this child alone.
    """

    state: GenerationState
    view: SystemView
    number: int
    others: tuple[Model, ...]
    selections: Mapping[ModelId, int]
    rng: Random

    @property
    def task(self) -> TaskName:
        """The active task."""
        return self.state.assignment.task

    @property
    def num_classes(self) -> int:
        """Of the active task."""
        return self.view.task(self.task).num_classes


class AbstractGenerational(AbstractAgent[GenerationState]):
    """A method that decides two things: who is the next parent, and what becomes of its child.

    Every child of a generation is sampled from the population with which the generation began, so
    that children can be trained in any order; selections count from child to child, as in the
    papers. A child whose parent is of the same task is accepted when its score is at least its
    parent's, or exceeds it in a `strict` method; any other child is.
    """

    equipment: Equipment
    strict: ClassVar[bool] = False
    """Whether only a better score counts: for a child against its parent, for a later version
    against an earlier one, and for a newer model of the population against an older one."""
    carries_momentum: ClassVar[bool] = True
    """Whether a clone goes on with the momentum of what it was cloned from."""

    @abstractmethod
    def effort(self) -> Effort:
        """How the iteration's budget is shared out.

        Raises:
            BadValueError: It cannot be, with these settings.
        """

    @abstractmethod
    def parent(self, turn: Turn) -> Model:
        """Whose child is next."""

    @abstractmethod
    def child(self, turn: Turn, parent: Model) -> Sampled:
        """The next child before it is trained."""

    def init(self, view: SystemView, assignment: Assignment) -> GenerationState:
        return GenerationState(
            assignment=assignment,
            generation=0,
            population=incumbents(assignment.task, view, self.equipment.score, self.equipment.layout.member),
            selections=dict(view.selections.get(assignment.task, {})),
        )

    def ask(self, state: GenerationState, view: SystemView) -> tuple[TrainJob, ...]:
        if self.finished(state):
            return ()
        selections = dict(state.selections)
        others = others_of(state.assignment.task, view, self.equipment.layout.member)
        jobs = []
        for child in range(self.effort().children):
            turn = Turn(
                state=state,
                view=view,
                number=state.generation * self.effort().children + child,
                others=others,
                selections=selections,
                rng=Random(self._seed(state, child, "sample")),
            )
            parent = self.parent(turn)
            selections[parent.id] = selections.get(parent.id, 0) + 1
            if child not in state.told:
                jobs.append(self._job(turn, child, parent))
        return tuple(jobs)

    def judge(self, state: GenerationState, completed: Completed, view: SystemView) -> Verdict:
        job, outcome = completed.job, completed.outcome
        if isinstance(outcome, JobFailed):
            return Verdict(score=None, model=None)
        score = outcome.quality * job.factor
        if not outcome.trained or outcome.quality < job.bar:
            return Verdict(score=score, model=None)
        ancestors = ancestry(state, view, job.parent)
        return Verdict(score=score, model=model_of(completed, ancestors, self.equipment))

    def tell(self, state: GenerationState, results: Sequence[Completed], view: SystemView) -> GenerationState:
        told = {**state.told, **{done.job.child: done for done in results}}
        if len(told) < self.effort().children:
            return replace(state, told=told)
        outcomes = [told[child] for child in sorted(told)]
        population = list(state.population)
        selections = dict(state.selections)
        for done in outcomes:
            selections[done.job.parent] = selections.get(done.job.parent, 0) + 1
            verdict = self.judge(state, done, view)
            if verdict.model is not None and verdict.score is not None:
                population.append(Member(model=verdict.model, score=verdict.score))
        return replace(
            state,
            generation=state.generation + 1,
            population=tuple(population),
            selections=selections,
            told={},
            past=(*state.past, *outcomes),
        )

    def finished(self, state: GenerationState) -> bool:
        return state.generation >= self.effort().generations

    def total_children(self) -> int:
        return self.effort().num_children

    def conclude(self, state: GenerationState, view: SystemView) -> Proposal:
        task = state.assignment.task
        before = stranger(task, view, self.equipment.score, self.equipment.layout.member)
        if not state.population and before is None:
            return Proposal(task=task, best=None, score=None)
        candidates = (*state.population, *(() if before is None else (before,)))
        best = ranked(candidates, oldest_first=self.strict)[0]
        return Proposal(task=task, best=best.model.id, score=best.score)

    def _seed(self, state: GenerationState, child: int, purpose: str) -> int:
        a = state.assignment
        return derive(a.seed, self.name, a.task, a.iteration, state.generation, child, purpose)

    def _job(self, turn: Turn, child: int, parent: Model) -> TrainJob:
        state, score = turn.state, self.equipment.score
        sampled = self.child(turn, parent)
        cost = cost_of(sampled.draft, turn.task, turn.view, self.equipment)
        target = score_of(parent, turn.view, score) if parent.task == turn.task else None
        return TrainJob(
            agent=self.agent_name,
            task=turn.task,
            iteration=state.assignment.iteration,
            generation=state.generation,
            child=child,
            member=self.equipment.layout.member,
            slots=origins(sampled.draft, momentum=self.carries_momentum),
            num_classes=turn.num_classes,
            hparams=sampled.draft.hparams,
            seed=self._seed(state, child, "train"),
            bar=0.0 if target is None else score.bar(target, cost, strict=self.strict),
            factor=score.factor(cost),
            config=replace(self.equipment.train, cycles=self.effort().cycles),
            parent=parent.id,
            strict=self.strict,
            mutations=sampled.applied,
            mu=sampled.mu,
            flops=cost.flops,
        )


def ancestry(state: GenerationState, view: SystemView, model: ModelId) -> tuple[Model, ...]:
    """A model and its live ancestors, nearest first; siblings of the population included."""
    own = {member.model.id: member.model for member in state.population}
    models = {**view.models, **own}
    return tuple(lineage(models[model], models))
