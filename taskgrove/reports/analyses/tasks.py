"""One row per task and the system's totals: accuracies, sizes and who shares with whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import Component, Evaluation
from taskgrove.domain.view import SystemView
from taskgrove.scoring.accounting import accounted_params, distinct_params

Evaluations = Mapping[ModelId, Mapping[str, Evaluation]]

_WEIGHT_BYTES, _MOMENTUM_BYTES = 4, 2
"""Of a parameter: weights are stored as float32, momentum as bfloat16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task; what a task without a model does not have is None or 0.

    Attributes:
        task: Its name.
        num_classes: Width of its head.
        iterations: Finished task iterations.
        model: Its published model.
        val_accuracy: In [0, 1], on the images used for selection.
        test_accuracy: In [0, 1], on the whole test split; None when not measured.
        num_params: Parameters that the model uses.
        accounted_params: Its part of them, roots counted as sharers (µ2Net+, Eq. 2).
        flops: Of one image's forward pass.
        num_layers: Numbered slots (`block_0`, `stage_3`), adapters not counted.
        shared_with: Number of components shared with the model of each other task, most first.
        shared_with_roots: Number of components that are a root's.
    """

    task: TaskName
    num_classes: int
    iterations: int
    model: ModelId | None = None
    val_accuracy: float | None = None
    test_accuracy: float | None = None
    num_params: int | None = None
    accounted_params: float | None = None
    flops: int | None = None
    num_layers: int | None = None
    shared_with: Mapping[TaskName, int] = field(default_factory=dict)
    shared_with_roots: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The system as a whole.

    Attributes:
        num_tasks: Tasks that have arrived.
        num_models: Tasks that have a published model.
        distinct_params: Of all published models, roots included.
        accounted_params: Sum over tasks; what is missing to `distinct_params` is the roots' part.
        root_params: Of the root models.
        separate_params: What the same models would have without any sharing.
        distinct_bytes: Of the weights behind `distinct_params`, without the headers of files.
        separate_bytes: Of the weights in one file per task.
        sharing_ratio: `separate_bytes` over `distinct_bytes`; None without a model.
        momentum_bytes: Of the momenta of all published models, which are stored beside the weights.
        mean_val_accuracy, mean_test_accuracy: Over tasks where they are known.
        mean_flops: Of one image's forward pass, over tasks with a model.
    """

    num_tasks: int
    num_models: int
    distinct_params: int
    accounted_params: float
    root_params: int
    separate_params: int
    distinct_bytes: int
    separate_bytes: int
    sharing_ratio: float | None
    momentum_bytes: int
    mean_val_accuracy: float | None
    mean_test_accuracy: float | None
    mean_flops: float | None


def per_task(view: SystemView, evaluations: Evaluations) -> list[TaskRow]:
    """A row for each task in order of arrival.

    Args:
        view: The system.
        evaluations: By model and split; test accuracies are taken from the split `test`.
    """
    return [_row(task, view, evaluations) for task in view.tasks]


def totals(view: SystemView, evaluations: Evaluations) -> Totals:
    """The system's sizes and mean accuracies; arguments as in `per_task`."""
    rows = [row for row in per_task(view, evaluations) if row.model is not None]
    distinct, separate = distinct_params(view.published()), sum(row.num_params or 0 for row in rows)
    return Totals(
        num_tasks=len(view.tasks),
        num_models=len(rows),
        distinct_params=distinct,
        accounted_params=sum(row.accounted_params or 0.0 for row in rows),
        root_params=distinct_params([view.models[root] for root in view.roots]),
        separate_params=separate,
        distinct_bytes=_WEIGHT_BYTES * distinct,
        separate_bytes=_WEIGHT_BYTES * separate,
        sharing_ratio=separate / distinct if separate and distinct else None,
        momentum_bytes=_momentum_bytes(view),
        mean_val_accuracy=_mean([row.val_accuracy for row in rows]),
        mean_test_accuracy=_mean([row.test_accuracy for row in rows]),
        mean_flops=_mean([row.flops for row in rows]),
    )


def is_layer(component: Component) -> bool:
    """Whether a component counts as a layer: its slot is numbered and it is no adapter."""
    return component.slot.rpartition("_")[2].isdecimal() and component.kind != "adapter"


def _momentum_bytes(view: SystemView) -> int:
    components = (c for model in view.published() for c in model.components)
    momenta = {c.momentum: c.num_params for c in components if c.momentum is not None}
    return _MOMENTUM_BYTES * sum(momenta.values())


def _row(task: TaskName, view: SystemView, evaluations: Evaluations) -> TaskRow:
    num_classes, iterations = view.task(task).num_classes, view.iterations.get(task, 0)
    model = view.best(task)
    if model is None:
        return TaskRow(task=task, num_classes=num_classes, iterations=iterations)
    test = evaluations.get(model.id, {}).get("test")
    used = {component.id for component in model.components}
    others = Counter(other for c in used for other in sorted(view.users_of(c) - {task}))
    return TaskRow(
        task=task,
        num_classes=num_classes,
        iterations=iterations,
        model=model.id,
        val_accuracy=model.quality,
        test_accuracy=test.accuracy if test else None,
        num_params=model.num_params,
        accounted_params=accounted_params(model, view),
        flops=model.flops,
        num_layers=sum(is_layer(component) for component in model.components),
        shared_with=dict(sorted(others.items(), key=lambda item: (-item[1], item[0]))),
        shared_with_roots=sum(view.roots_of(c) > 0 for c in used),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
