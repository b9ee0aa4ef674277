"""One row per task and the system's totals: accuracies, sizes and who shares with whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import Component, Evaluation
from taskgrove.domain.view import SystemView
from taskgrove.reports.quantities import human, percent
from taskgrove.scoring.accounting import accounted_params, distinct_params

Evaluations = Mapping[ModelId, Mapping[str, Evaluation]]

HEADINGS = ("task", "classes", "val %", "test %", "params", "accounted", "FLOPs", "layers", "iter.", "shares")
_MOST_SHARED = 2
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


def as_markdown(rows: Sequence[TaskRow], total: Totals) -> str:
    """A Markdown table with the totals as its last row."""
    lines = [HEADINGS, ("---", *("---:" for _ in HEADINGS[2:]), "---")]
    cells = [_cells(row) for row in rows]
    lines += [*cells, tuple(f"**{cell}**" if cell else "" for cell in _total_cells(total))]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_rich(rows: Sequence[TaskRow], total: Totals) -> Table:
    """A table for a terminal of 100 columns or more."""
    table = Table(box=SIMPLE_HEAD, show_footer=True, padding=(0, 1, 0, 0), pad_edge=False)
    for heading, footer in zip(HEADINGS, _total_cells(total), strict=True):
        text = heading in {"task", "shares"}
        table.add_column(
            heading,
            footer,
            justify="left" if text else "right",
            no_wrap=heading != "shares",
            overflow="ellipsis" if heading == "task" else "fold",
            max_width=24 if text else None,
        )
    for row in rows:
        table.add_row(*_cells(row))
    return table


def as_json(rows: Sequence[TaskRow], total: Totals) -> dict[str, object]:
    """Rows and totals as plain values, numbers unrounded."""
    return {"tasks": msgspec.to_builtins(rows), "totals": msgspec.to_builtins(total)}


def sharing_sentence(total: Totals) -> str:
    """Distinct parameters against those of one separate model per task."""
    text = f"{human(total.distinct_params)} distinct, roots included"
    if not total.separate_params:
        return text
    saved = 1 - total.distinct_params / total.separate_params
    less = f"{abs(100 * saved):.0f} % {'fewer' if saved >= 0 else 'more'}"
    return f"{text}: {less} than {human(total.separate_params)} in separate models"


def bytes_sentence(total: Totals) -> str:
    """Bytes that are stored against those of one file per task."""
    text = f"{human(total.distinct_bytes, 'B')} of weights, roots included"
    if total.sharing_ratio is not None:
        separate = human(total.separate_bytes, "B")
        text += f"; one file per task would take {separate}, {total.sharing_ratio:.2f} times as much"
    return f"{text}; {human(total.momentum_bytes, 'B')} of momentum" if total.momentum_bytes else text


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


def _cells(row: TaskRow) -> tuple[str, ...]:
    return (
        row.task,
        str(row.num_classes),
        percent(row.val_accuracy),
        percent(row.test_accuracy),
        human(row.num_params),
        human(row.accounted_params),
        human(row.flops),
        human(row.num_layers),
        str(row.iterations),
        _sharing(row),
    )


def _total_cells(total: Totals) -> tuple[str, ...]:
    return (
        f"{total.num_models} of {total.num_tasks}",
        "",
        percent(total.mean_val_accuracy),
        percent(total.mean_test_accuracy),
        human(total.distinct_params),
        human(total.accounted_params),
        human(total.mean_flops),
        "",
        "",
        "",
    )


def _sharing(row: TaskRow) -> str:
    named = [f"{task} {count}" for task, count in list(row.shared_with.items())[:_MOST_SHARED]]
    roots = [f"root {row.shared_with_roots}"] if row.shared_with_roots else []
    rest = len(row.shared_with) - len(named)
    return ", ".join([*roots, *named, *([f"+{rest} tasks"] if rest else [])])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
