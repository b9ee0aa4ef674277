"""From a parent to a child and from a trained child to a model: what all evolutionary methods share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from taskgrove.agents.base import Equipment
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import Clone, Completed, Fresh, Origin, Share, TrainJob, TrainResult
from taskgrove.domain.layout import Role
from taskgrove.domain.records import Component, Model, identified
from taskgrove.domain.view import SystemView
from taskgrove.mutations.base import Draft, Plan
from taskgrove.scoring.accounting import accounted
from taskgrove.scoring.base import Cost


def draft_of(
    parent: Model,
    task: TaskName,
    view: SystemView,
    equipment: Equipment,
    *,
    train_private: bool = False,
    train_norm: bool = True,
) -> Draft:
    """The child that would be trained without any mutation (µ2Net+ §3).

    The head is copied and trained when the parent is of the same task, otherwise new. Every other
    component is shared and frozen, except for what the settings name.

    Args:
        parent: Whose child it is.
        task: The active task.
        view: Says who uses a component.
        equipment: Of the agent.
        train_private: Copy and train, without a mutation, what nobody but the active task uses.
        train_norm: Copy and train the final norm with the head.
    """
    hparams = inherited(parent, equipment)
    classes = view.task(task).num_classes
    plans = []
    for component in parent.components:
        role = equipment.layout.slot(component.slot, hparams, classes).role
        private = not view.roots_of(component.id) and not view.users_of(component.id) - {task}
        new_head = role is Role.HEAD and parent.task != task
        plans.append(
            Plan(
                slot=component.slot,
                component=None if new_head else component,
                trainable=role is Role.HEAD
                or (role is Role.HEAD_NORM and train_norm)
                or (private and train_private),
            )
        )
    return Draft(plans=tuple(plans), hparams=hparams)


def inherited(parent: Model, equipment: Equipment) -> dict[str, HparamValue]:
    """The parent's hyperparameters; a root's children begin with the experiment's defaults instead."""
    if parent.task is None:
        return {**parent.hparams, **equipment.space.defaults()}
    return {**equipment.space.defaults(), **parent.hparams}


def refit(draft: Draft, parent: Model, equipment: Equipment, num_classes: int) -> Draft:
    """Make components that no longer fit the draft's hyperparameters trainable and resampled.

    A position embedding at another resolution is interpolated from the parent's, then trained; an
    adapter of another inner dimension starts anew.
    """
    was = {**equipment.space.defaults(), **parent.hparams}
    plans = []
    for plan in draft.plans:
        slot = equipment.layout.slot(plan.slot, draft.hparams, num_classes)
        before = equipment.layout.slot(plan.slot, was, num_classes)
        if plan.component is None or slot.shapes == before.shapes:
            plans.append(plan)
        elif slot.resizable:
            plans.append(replace(plan, trainable=True, resize=True))
        else:
            plans.append(Plan(slot=plan.slot, component=None, trainable=True))
    return replace(draft, plans=tuple(plans))


def cost_of(draft: Draft, task: TaskName, view: SystemView, equipment: Equipment) -> Cost:
    """What the child would cost, known before it is trained."""
    classes = view.task(task).num_classes
    slots = [equipment.layout.slot(name, draft.hparams, classes) for name in draft.names()]
    used: list[tuple[ComponentId | None, int]] = []
    for plan, slot in zip(draft.plans, slots, strict=True):
        shared = None if plan.trainable or plan.component is None else plan.component.id
        used.append((shared, slot.num_params))
    params = accounted(used, task, view, count_roots=equipment.score.count_roots)
    return Cost(accounted_params=params, flops=sum(slot.flops for slot in slots))


def origins(draft: Draft, *, momentum: bool = True) -> tuple[tuple[SlotName, Origin], ...]:
    """The draft's plans as the trainer reads them; clones carry their momentum unless told not to."""
    return tuple((plan.slot, _origin(plan, carry=momentum)) for plan in draft.plans)


def _origin(plan: Plan, *, carry: bool) -> Origin:
    if plan.component is None:
        return Fresh()
    if not plan.trainable:
        return Share(component=plan.component.id)
    momentum = plan.component.momentum if carry and not plan.resize else None
    return Clone(component=plan.component.id, momentum=momentum, resize=plan.resize)


def lineage(model: Model, models: Mapping[ModelId, Model]) -> Iterator[Model]:
    """A model and those of its ancestors that are among `models`, nearest first; a root ends it.

    Where an ancestor has retired, the walk goes on with the roots of the same backbone, since
    every model descends from one.
    """
    yield model
    while model.parent is not None and model.parent in models:
        model = models[model.parent]
        yield model
    if model.task is not None:
        yield from (m for m in models.values() if m.task is None and m.member == model.member)


def model_of(completed: Completed, ancestors: Sequence[Model], equipment: Equipment) -> Model:
    """The model that a trained child becomes when it is accepted.

    Args:
        completed: The job with its result.
        ancestors: The parent and its ancestors, nearest first.
        equipment: For the slots' kinds and the code version.
    """
    job, result = completed.job, completed.outcome
    assert isinstance(result, TrainResult)
    known = {c.id: c for model in reversed(ancestors) for c in model.components}
    kinds = {slot: equipment.layout.slot(slot, job.hparams, job.num_classes).kind for slot, _ in job.slots}
    components = tuple(
        _component(slot, origin, job, result, known, kinds[slot]) for slot, origin in job.slots
    )
    return identified(
        Model(
            member=job.member,
            num_classes=job.num_classes,
            components=components,
            hparams=job.hparams,
            task=job.task,
            mu=job.mu,
            parent=job.parent,
            agent=job.agent,
            iteration=job.iteration,
            generation=job.generation,
            child=job.child,
            seed=job.seed,
            mutations=job.mutations,
            quality=result.quality,
            flops=job.flops,
            samples=result.samples,
            train_flops=result.flops,
            code_version=equipment.code_version,
        )
    )


def _component(
    slot: SlotName,
    origin: Origin,
    job: TrainJob,
    result: TrainResult,
    known: Mapping[ComponentId, Component],
    kind: str,
) -> Component:
    if isinstance(origin, Share):
        return replace(known[origin.component], slot=slot)
    before = known[origin.component].cycles if isinstance(origin, Clone) else {}
    trained = result.trained[slot]
    return Component(
        slot=slot,
        kind=kind,
        id=trained.component,
        num_params=trained.num_params,
        momentum=trained.momentum,
        cycles={**before, job.task: before.get(job.task, 0) + result.best_cycle},
        last_task=job.task,
    )
