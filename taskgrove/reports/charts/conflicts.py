"""Pictures of conflicts: between tasks, and layer by layer between a task and the one it was bound to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, final

import numpy as np
from matplotlib.figure import Figure

from taskgrove.domain.ids import SlotName, TaskName
from taskgrove.reports.analyses.bindings import Binding, Fate, bindings
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill
from taskgrove.reports.drawing.colors import ROOT_COLOR, task_colors
from taskgrove.reports.drawing.matrix_picture import Matrix, draw_matrix
from taskgrove.reports.words.binding_table import of_models

_NAME_LENGTH = 20
_NOTHING = "No task has been bound to another yet."


def draw_task_conflicts(found: Mapping[TaskName, Binding], tasks: Iterable[TaskName]) -> Figure:
    """How much each task conflicts with each that it was compared with; frames mark whom it was bound to.

    Args:
        found: One step per task.
        tasks: All tasks in order of arrival, so that colours agree with the multitask graph's.
    """
    colors = task_colors(dict.fromkeys((*tasks, *found)))
    named = {task for binding in found.values() for task in (*binding.candidates, binding.task)}
    named |= {binding.bound for binding in found.values() if binding.bound is not None}
    shown = [task for task in dict.fromkeys((*colors, *sorted(named))) if task in named]
    place = {task: index for index, task in enumerate(shown)}
    values = np.full((len(shown), len(shown)), np.nan)
    for task, binding in found.items():
        for other, conflict in binding.candidates.items():
            values[place[task], place[other]] = conflict
    bound = [(task, binding.bound) for task, binding in found.items() if binding.bound is not None]
    names = tuple(map(_cut, shown))
    swatches = tuple(colors.get(task, ROOT_COLOR) for task in shown)
    return draw_matrix(
        Matrix(
            values=values,
            marked=tuple((place[task], place[other]) for task, other in bound),
            rows=names,
            columns=names,
            row_colors=swatches,
            column_colors=swatches,
            label="conflict of the two tasks",
            mark="bound to it",
            down="new task",
            across="compared with",
            nothing=_NOTHING,
        )
    )


def draw_layer_conflicts(found: Mapping[TaskName, Binding], tasks: Iterable[TaskName]) -> Figure:
    """How much each layer conflicts between a task and the one it was bound to; frames mark grown layers.

    Args:
        found: One step per task; those that were bound to nobody are left out.
        tasks: As in `draw_task_conflicts`.
    """
    colors = task_colors(dict.fromkeys((*tasks, *found)))
    shown = [binding for binding in found.values() if binding.bound is not None]
    slots = _slots([[layer.slot for layer in binding.layers] for binding in shown])
    place = {slot: index for index, slot in enumerate(slots)}
    values = np.full((len(shown), len(slots)), np.nan)
    for row, binding in enumerate(shown):
        for layer in binding.layers:
            values[row, place[layer.slot]] = np.nan if layer.conflict is None else layer.conflict
    return draw_matrix(
        Matrix(
            values=values,
            marked=tuple((i, place[slot]) for i, one in enumerate(shown) for slot in one.fated(Fate.GROWN)),
            rows=tuple(f"{_cut(b.task)} → {_cut(str(b.bound))}" for b in shown),
            columns=tuple(map(_cut, slots)),
            row_colors=tuple(colors[binding.task] for binding in shown),
            least=0.0,
            label="conflict of the layer",
            mark="grown",
            down="task → bound to",
            across="layer, from input to head",
            nothing=_NOTHING,
        )
    )


def _slots(models: Sequence[Sequence[SlotName]]) -> list[SlotName]:
    """All slots, each after the one that it follows in the first model that has it."""
    merged: list[SlotName] = []
    for model in models:
        at = 0
        for slot in model:
            if slot not in merged:
                merged.insert(at, slot)
            at = merged.index(slot) + 1
    return merged


def _cut(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"


def _found(runs: Sequence[Run]) -> dict[TaskName, Binding]:
    return of_models(bindings(runs[0].history, runs[0].usual))


@final
class ConflictsChart(AbstractStill):
    """Conflicts between tasks (004, §3)."""

    name: ClassVar[str] = "conflicts"
    title: ClassVar[str] = "Conflicts between tasks"
    summary: ClassVar[str] = "how much each new task conflicts with those it was compared with (004, §3)"
    caption: ClassVar[str] = (
        "How much the task of each row conflicts with those it was compared with: the norm of its layers' "
        "conflicts. A frame marks the task that it was bound to."
    )

    def applies(self, runs: Sequence[Run]) -> bool:
        return bool(_found(runs))

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_task_conflicts(_found(runs), runs[0].view.tasks)

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        return TidyTable(
            headings=("task", "other", "conflict", "bound", "measure", "samples"),
            rows=tuple(
                (task, other, conflict, int(other == one.bound), one.measure, one.num_samples)
                for task, one in _found(runs).items()
                for other, conflict in one.candidates.items()
            ),
        )


@final
class LayersChart(AbstractStill):
    """Conflicts layer by layer, and what was grown (004, §3)."""

    name: ClassVar[str] = "layers"
    title: ClassVar[str] = "Conflicts by layer"
    summary: ClassVar[str] = "how much each layer conflicts with that of the task it was bound to (004, §3)"
    caption: ClassVar[str] = (
        "How much each layer conflicts between a task and the one it was bound to. A frame marks the layers "
        "that the task got copies of; the others are shared."
    )

    def applies(self, runs: Sequence[Run]) -> bool:
        return bool(_found(runs))

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_layer_conflicts(_found(runs), runs[0].view.tasks)

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        return TidyTable(
            headings=("task", "bound", "slot", "conflict", "share", "fate"),
            rows=tuple(
                (task, one.bound, layer.slot, layer.conflict, layer.share, layer.fate)
                for task, one in _found(runs).items()
                for layer in one.layers
            ),
        )
