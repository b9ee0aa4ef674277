"""Learn to Bind and Grow (004): a task binds to the one that conflicts least, and grows what conflicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import final

from taskgrove.agents.base import AbstractAgent, Assignment, Equipment, Verdict
from taskgrove.agents.conflicts import (
    Conflicts,
    body_of,
    least_first,
    nucleus,
    random_nucleus,
    without_head,
)
from taskgrove.agents.effort import replicating
from taskgrove.agents.evolution import cost_of, draft_of, inherited, model_of, origins, refit
from taskgrove.agents.population import Member, incumbents
from taskgrove.agents.succession import Versions, new_versions, successor, users, validation
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.ids import SlotName, TaskName
from taskgrove.domain.jobs import (
    Clone,
    Completed,
    Found,
    JobFailed,
    Origin,
    ProbeJob,
    ProbeResult,
    Share,
    Study,
    TrainJob,
)
from taskgrove.domain.proposal import Proposal
from taskgrove.domain.records import Model
from taskgrove.domain.seeds import derive
from taskgrove.domain.view import SystemView
from taskgrove.mutations.base import Draft, Plan

INDEPENDENT, GROWN = 0, 1
"""Generations: the task's independent net, then its net in the system."""
BIND, GROW, HEADS, SETTINGS = (
    ("least", "random"),
    ("nucleus", "thrifty", "random"),
    ("own", "shared"),
    ("incremental", "streaming"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BindGrowOptions:
    """Settings.

    Attributes:
        delta: The grow coefficient δ in [0, 1]: 0 grows nothing, 1 every layer.
        shared_lr_scale: Factor in [0, 1] of the learning rate of shared layers; 0 freezes them. With more,
            the new versions are published for every task that uses them.
        measure: Of dissimilarity between layers.
        samples: Validation images that models are compared on, at most.
        bind: `least`, to the task with the least conflict, or `random`.
        rank: With `least`, leaves out so many candidates with less conflict, but never the last.
        grow: `nucleus`, the layers that conflict most; `thrifty`, those that conflict most per parameter; or
            `random`: any number of any layers, whatever δ is.
        head: `own`, a new one per task, or `shared`, that of the task it binds to; where nothing else would
            be trained, since no layer grows and shared ones are frozen, a new one all the same.
        draw: Number of the random choices: other numbers, other choices, the same seeds of training.
        setting: `incremental`, or `streaming`: a task's training data are taken to be gone after it, so
            it has one task iteration only.
    """

    delta: float = 0.5
    shared_lr_scale: float = 0.1
    measure: str = "rsa"
    samples: int = 512
    bind: str = "least"
    rank: int = 0
    grow: str = "nucleus"
    head: str = "own"
    draw: int = 0
    setting: str = "incremental"

    def __post_init__(self) -> None:
        for name, number in (("delta", self.delta), ("shared_lr_scale", self.shared_lr_scale)):
            if not 0.0 <= number <= 1.0:
                raise BadValueError(f"agent.{name} must be between 0 and 1, got {number}.")
        if self.samples < 3:
            raise BadValueError(f"agent.samples must be at least 3, got {self.samples}.")
        if self.rank < 0:
            raise BadValueError(f"agent.rank must be at least 0, got {self.rank}.")
        choices = {"bind": (self.bind, BIND), "grow": (self.grow, GROW), "head": (self.head, HEADS)}
        for name, (value, known) in {**choices, "setting": (self.setting, SETTINGS)}.items():
            if value not in known:
                raise UnknownNameError.of(f"agent.{name}", value, known)


@dataclass(frozen=True, slots=True, kw_only=True)
class BindGrowState:
    """A task iteration under way.

    Attributes:
        assignment: Seed, task and iteration.
        candidates: Tasks that it may bind to.
        independent: The task's net of its own, once trained.
        conflicts: With each candidate, once compared.
        grown: The task's net in the system, once trained.
        touched: Other tasks whose models use what was trained with it.
        qualities: Validation accuracy of their new models, once measured.
    """

    assignment: Assignment
    candidates: tuple[TaskName, ...]
    independent: Completed | None = None
    conflicts: Mapping[TaskName, Conflicts] = field(default_factory=dict)
    grown: Completed | None = None
    touched: tuple[TaskName, ...] = ()
    qualities: Mapping[TaskName, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What has been decided.

    Attributes:
        bound: The model that the task binds to.
        new: Its layers that the task gets copies of.
        shared: Its layers that both use from then on.
    """

    bound: Model
    new: tuple[SlotName, ...]
    shared: tuple[SlotName, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BindGrow(AbstractAgent[BindGrowState]):
    """One bind-grow step per task iteration (004, Algorithm 1).

    The first task of a system, or one that no other could be bound to, keeps its independent net.
    """

    name = "bind_grow"
    summary = "Learn to Bind and Grow: share layers with the most similar task, grow those that conflict"
    options_type = BindGrowOptions
    score_form = "quality"

    equipment: Equipment
    options: BindGrowOptions = field(default_factory=BindGrowOptions)

    def __post_init__(self) -> None:
        if self.options.measure not in self.equipment.measures:
            raise UnknownNameError.of(
                "measure of dissimilarity", self.options.measure, self.equipment.measures
            )

    @property
    def changes_others(self) -> bool:
        return self.options.shared_lr_scale > 0

    def init(self, view: SystemView, assignment: Assignment) -> BindGrowState:
        if self.options.setting == "streaming" and assignment.iteration > 0:
            raise BadValueError(
                f"Task {assignment.task!r} has been learned, and in the streaming setting its training data "
                'are gone after that. Leave agent.iterations at 1, or choose agent.setting = "incremental".'
            )
        return BindGrowState(assignment=assignment, candidates=self._candidates(assignment.task, view))

    def studies(self, state: BindGrowState, view: SystemView) -> tuple[Study, ...]:
        if state.grown is not None:
            new = (model for model in self._successors(state, view) if model.task not in state.qualities)
            return tuple(validation(model, self.equipment.train) for model in new)
        if not self._compares or not _succeeded(state.independent):
            return ()
        assert state.independent is not None
        own = self._model(state.independent, view).id
        return tuple(
            ProbeJob(
                task=state.assignment.task,
                models=(own, view.bests[candidate]),
                samples=self.options.samples,
                measure=self.options.measure,
                threads=self.equipment.train.threads,
                at=view.number,
            )
            for candidate in state.candidates
            if candidate not in state.conflicts
        )

    def learn(self, state: BindGrowState, found: Sequence[Found], view: SystemView) -> BindGrowState:
        conflicts, qualities = dict(state.conflicts), dict(state.qualities)
        for each in found:
            if isinstance(each.study, ProbeJob):
                assert isinstance(each.result, ProbeResult)
                task = view.models[each.study.models[1]].task
                assert task is not None
                conflicts[task] = without_head(
                    each.result.conflicts, view.models[view.bests[task]], self.equipment
                )
            else:
                assert not isinstance(each.result, ProbeResult)
                qualities[each.study.task] = each.result.quality
        return replace(state, conflicts=conflicts, qualities=qualities)

    def ask(self, state: BindGrowState, view: SystemView) -> tuple[TrainJob, ...]:
        if self.finished(state) or self.studies(state, view):
            return ()
        if self._needs_independent(state) and state.independent is None:
            return (self._independent_job(state, view),)
        return () if state.grown is not None else (self._grown_job(state, view),)

    def judge(self, state: BindGrowState, completed: Completed, view: SystemView) -> Verdict:
        outcome = completed.outcome
        if isinstance(outcome, JobFailed):
            return Verdict(score=None, model=None)
        score = outcome.quality * completed.job.factor
        return Verdict(score=score, model=self._model(completed, view) if outcome.trained else None)

    def tell(self, state: BindGrowState, results: Sequence[Completed], view: SystemView) -> BindGrowState:
        for done in results:
            if done.job.generation == INDEPENDENT:
                state = replace(state, independent=done)
            else:
                state = replace(state, grown=done)
                touched = users(self._versions(state, view), view, state.assignment.task)
                state = replace(state, touched=touched)
        return state

    def finished(self, state: BindGrowState) -> bool:
        if self._needs_independent(state):
            if state.independent is None:
                return False
            if not state.candidates or not _succeeded(state.independent):
                return True
        return state.grown is not None and set(state.touched) == set(state.qualities)

    def total_children(self) -> int:
        return replicating(self.equipment.budget, self.equipment.train.cycles, replicas=2).children

    def conclude(self, state: BindGrowState, view: SystemView) -> Proposal:
        task, score = state.assignment.task, self.equipment.score
        made = state.grown if _succeeded(state.grown) else state.independent
        before = incumbents(task, view, score, self.equipment.layout.member)
        own = self._member(state, made, view)
        best = max((*own, *before), key=lambda member: member.score, default=None)
        if best is None:
            return Proposal(task=task, best=view.bests.get(task), score=None)
        others = self._successors(state, view) if best in own and made is state.grown else ()
        return Proposal(task=task, best=best.model.id, score=best.score, others=others)

    @property
    def _compares(self) -> bool:
        """Whether conflicts decide anything."""
        o = self.options
        return o.bind == "least" or (o.grow != "random" and 0.0 < o.delta < 1.0)

    def _needs_independent(self, state: BindGrowState) -> bool:
        return self._compares or not state.candidates

    def _candidates(self, task: TaskName, view: SystemView) -> tuple[TaskName, ...]:
        """Public tasks with a model of the backbone, and with as many classes if the head is shared."""
        member, classes = self.equipment.layout.member, view.task(task).num_classes
        return tuple(
            name
            for name, spec in view.tasks.items()
            if name != task
            and name in view.bests
            and view.models[view.bests[name]].member == member
            and not spec.private
            and (self.options.head == "own" or spec.num_classes == classes)
        )

    def _growth(self, state: BindGrowState, view: SystemView) -> Growth:
        """Whom the task binds to, and what it grows."""
        a, options = state.assignment, self.options
        rng = Random(derive(a.seed, self.name, a.task, a.iteration, GROWN, options.draw, "bind"))
        if options.bind == "random":
            task = rng.choice(state.candidates)
        else:
            order = least_first({name: state.conflicts[name] for name in state.candidates})
            task = order[min(options.rank, len(order) - 1)]
        bound = view.models[view.bests[task]]
        body = body_of(bound, self.equipment)
        if options.grow == "random":
            new = random_nucleus(body, rng)
        else:
            params = {c.slot: c.num_params for c in bound.components} if options.grow == "thrifty" else None
            new = nucleus(state.conflicts.get(task, dict.fromkeys(body, 0.0)), options.delta, params)
        heads = [c.slot for c in bound.components if c.slot not in body]
        shares_head = options.head == "shared" and (new or options.shared_lr_scale > 0)
        kept = [*body, *(heads if shares_head else ())]
        return Growth(bound=bound, new=new, shared=tuple(slot for slot in kept if slot not in new))

    def _independent_job(self, state: BindGrowState, view: SystemView) -> TrainJob:
        """All layers of the root, trained for the task alone."""
        root = next(
            view.models[root]
            for root in view.roots
            if view.models[root].member == self.equipment.layout.member
        )
        plain = draft_of(root, state.assignment.task, view, self.equipment)
        plans = tuple(replace(plan, trainable=True) for plan in plain.plans)
        classes = view.task(state.assignment.task).num_classes
        draft = refit(replace(plain, plans=plans), root, self.equipment, classes)
        slots = origins(draft, momentum=False)
        return self._job(state, view, INDEPENDENT, root, draft, slots, {})

    def _grown_job(self, state: BindGrowState, view: SystemView) -> TrainJob:
        """Copies of the layers that conflict and a new head at the full rate, shared layers at theirs."""
        growth, scale = self._growth(state, view), self.options.shared_lr_scale
        plans = tuple(
            Plan(
                slot=c.slot,
                component=c if c.slot in growth.new or c.slot in growth.shared else None,
                trainable=c.slot not in growth.shared,
            )
            for c in growth.bound.components
        )
        draft = Draft(plans=plans, hparams=inherited(growth.bound, self.equipment))
        slots = tuple((slot, _tuned(origin, scale)) for slot, origin in origins(draft, momentum=False))
        bind = {f"bind:{growth.bound.task}": 1.0}
        tune = {f"tune:{slot}": 1.0 for slot in growth.shared if scale > 0}
        applied = {**bind, **{f"clone:{slot}": 1.0 for slot in growth.new}, **tune}
        return self._job(state, view, GROWN, growth.bound, draft, slots, applied)

    def _job(
        self,
        state: BindGrowState,
        view: SystemView,
        generation: int,
        parent: Model,
        draft: Draft,
        slots: tuple[tuple[SlotName, Origin], ...],
        applied: Mapping[str, float],
    ) -> TrainJob:
        a = state.assignment
        cost = cost_of(draft, a.task, view, self.equipment)
        effort = replicating(self.equipment.budget, self.equipment.train.cycles, replicas=2)
        return TrainJob(
            agent=self.agent_name,
            task=a.task,
            iteration=a.iteration,
            generation=generation,
            child=0,
            member=self.equipment.layout.member,
            slots=slots,
            num_classes=view.task(a.task).num_classes,
            hparams=draft.hparams,
            seed=derive(a.seed, self.name, a.task, a.iteration, generation, 0, "train"),
            bar=0.0,
            factor=self.equipment.score.factor(cost),
            config=replace(self.equipment.train, cycles=effort.cycles),
            parent=parent.id,
            mutations=applied,
            flops=cost.flops,
        )

    def _model(self, completed: Completed, view: SystemView) -> Model:
        return model_of(completed, (view.models[completed.job.parent],), self.equipment)

    def _member(self, state: BindGrowState, made: Completed | None, view: SystemView) -> tuple[Member, ...]:
        if made is None or not _succeeded(made):
            return ()
        verdict = self.judge(state, made, view)
        assert verdict.model is not None
        assert verdict.score is not None
        return (Member(model=verdict.model, score=verdict.score),)

    def _versions(self, state: BindGrowState, view: SystemView) -> Versions:
        """What has become of the layers that the task shares with the one that it is bound to."""
        if not self.changes_others or state.grown is None or not _succeeded(state.grown):
            return {}
        growth = self._growth(state, view)
        return new_versions(growth.bound, self._model(state.grown, view), growth.shared)

    def _successors(self, state: BindGrowState, view: SystemView) -> tuple[Model, ...]:
        """The touched tasks' models with the new versions; their quality is 0 until it is known."""
        if not state.touched:
            return ()
        assert state.grown is not None
        versions, maker = self._versions(state, view), self._model(state.grown, view)
        return tuple(
            successor(
                view.models[view.bests[task]],
                versions,
                maker,
                number=number,
                quality=state.qualities.get(task, 0.0),
            )
            for number, task in enumerate(state.touched)
        )


def _succeeded(completed: Completed | None) -> bool:
    return completed is not None and not isinstance(completed.outcome, JobFailed)


def _tuned(origin: Origin, scale: float) -> Origin:
    """Shared layers stay as they are at 0, and are trained more slowly than new ones above it."""
    if not isinstance(origin, Share) or scale == 0:
        return origin
    return Clone(component=origin.component, rate=scale)
