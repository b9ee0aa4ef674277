"""New models of other tasks when layers that they share have been trained on (004, §4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from taskgrove.domain.ids import ComponentId, SlotName, TaskName
from taskgrove.domain.jobs import TrainConfig, ValidateJob
from taskgrove.domain.records import Component, Model, identified
from taskgrove.domain.view import SystemView

Versions = Mapping[ComponentId, Component]
"""The new version of each old component."""


def new_versions(before: Model, after: Model, slots: Sequence[SlotName]) -> Versions:
    """What has become of a model's components in some slots."""
    pairs = [(before.component(slot), after.component(slot)) for slot in slots]
    return {old.id: new for old, new in pairs if old is not None and new is not None}


def users(versions: Versions, view: SystemView, but: TaskName) -> tuple[TaskName, ...]:
    """Tasks whose models use an old version, in order of arrival; one is left out."""
    found = {task for old in versions for task in view.users_of(old)} - {but}
    return tuple(task for task in view.tasks if task in found)


def successor(model: Model, versions: Versions, maker: Model, *, number: int, quality: float) -> Model:
    """A task's model with the new versions; all else stays as it is.

    Args:
        model: Of the task, with old versions.
        versions: To be put in.
        maker: Of the task that the versions were trained for; its search gets the credit, not the costs.
        number: Of the task among those with new models, from 0.
        quality: Validation accuracy of the new model.
    """
    components = tuple(versions.get(c.id, c) for c in model.components)
    changed = (new.slot for old, new in zip(model.components, components, strict=True) if new is not old)
    return identified(
        replace(
            model,
            components=components,
            parent=model.id,
            agent=maker.agent,
            iteration=maker.iteration,
            generation=maker.generation,
            child=maker.child + number + 1,
            seed=maker.seed,
            mutations={**{f"follow:{slot}": 1.0 for slot in changed}, f"with:{maker.task}": 1.0},
            quality=quality,
            samples=0,
            train_flops=0,
            code_version=maker.code_version,
        )
    )


def validation(model: Model, config: TrainConfig) -> ValidateJob:
    """Measures a model of a task as children are measured."""
    assert model.task is not None
    return ValidateJob(
        task=model.task,
        member=model.member,
        components=tuple((c.slot, c.id) for c in model.components),
        num_classes=model.num_classes,
        hparams=model.hparams,
        config=config,
    )
