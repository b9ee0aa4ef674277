"""Bindings in a report: one row per task, with what was gained and what was forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import msgspec

from taskgrove.domain.ids import TaskName
from taskgrove.reports.analyses.bindings import Binding, Fate
from taskgrove.reports.analyses.transfer import AccuracyMatrix, forgetting, multi_task_gain, paper_delta
from taskgrove.reports.analyses.worth import Worth
from taskgrove.reports.quantities import MISSING, percent
from taskgrove.reports.words.explain import changes_text, made_by, signed

HEADINGS = (
    *("task", "bound to", "conflict", "grown", "alone val %", "first val %", "now val %"),
    *("gain %", "first test %", "now test %", "forgotten", "changed by"),
)
_MOST_GROWN = 4


def of_models(found: Iterable[Binding]) -> dict[TaskName, Binding]:
    """The step that each task's model comes from, in the order of the tasks' first steps."""
    steps: dict[TaskName, list[Binding]] = {}
    for binding in found:
        steps.setdefault(binding.task, []).append(binding)
    made = {task: made_by(own) for task, own in steps.items()}
    return {task: binding for task, binding in made.items() if binding is not None}


def cells(found: Mapping[TaskName, Binding], worth: Sequence[Worth]) -> list[tuple[str, ...]]:
    """One row per task, under `HEADINGS`.

    Args:
        found: The step that each task's model comes from.
        worth: The tasks' accuracies over time.
    """
    return [(*_chosen(each.task, found.get(each.task)), *_worth(each)) for each in worth]


def sentence(worth: Sequence[Worth], matrix: AccuracyMatrix) -> str:
    """What it was worth over all tasks, the gain in both signs."""
    gain, delta = _gains(worth)
    fallen = forgetting(matrix).values()
    return (
        f"Mean gain: {signed(gain)} % of the independent nets' validation errors; the paper's Δ, a sum with "
        f"the opposite sign: {signed(delta)} %. Mean forgetting since each task was last learned, the last "
        f"task left out: {signed(fmean(fallen) if fallen else None)} points of test accuracy."
    )


def as_json(found: Sequence[Binding], worth: Sequence[Worth]) -> dict[str, object]:
    """All steps and what became of each task, as plain values, numbers unrounded."""
    gain, delta = _gains(worth)
    told: dict[str, object] = msgspec.to_builtins({"bindings": found, "tasks": worth})
    return {**told, "gain": gain, "paper_delta": delta}


def _gains(worth: Sequence[Worth]) -> tuple[float | None, float | None]:
    """Mean gain and the paper's Δ."""
    errors = {each.task: 1.0 - each.now for each in worth if each.now is not None}
    alone = {each.task: 1.0 - each.independent for each in worth if each.independent is not None}
    return multi_task_gain(errors, alone), paper_delta(errors, alone)


def _chosen(task: TaskName, binding: Binding | None) -> tuple[str, ...]:
    if binding is None or binding.bound is None:
        return (task, MISSING, MISSING, MISSING)
    conflict = binding.candidates.get(binding.bound)
    names = binding.fated(Fate.GROWN)
    rest = len(names) - _MOST_GROWN
    grown = ", ".join((*names[:_MOST_GROWN], *([f"+{rest}"] if rest > 0 else []))) or "nothing"
    return (task, binding.bound, MISSING if conflict is None else f"{conflict:.3f}", grown)


def _worth(each: Worth) -> tuple[str, ...]:
    return (
        *map(percent, (each.independent, each.first, each.now)),
        signed(each.gain),
        *map(percent, (each.first_test, each.now_test)),
        signed(each.forgotten),
        changes_text(each.changes) or MISSING,
    )
