"""What changed in a system from one commit to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import ModelId, SlotName, TaskName
from taskgrove.domain.records import Model
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.tasks import totals
from taskgrove.store.state import State

Scores = Mapping[TaskName, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A number before and after; None where there was none.

    Attributes:
        before, after: At the two commits.
    """

    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChange:
    """A task whose published model is another one; without a model before, all its components are added.

    Attributes:
        task: Which.
        before, after: Its models; `after` is None when the task has left.
        score, val_accuracy, test_accuracy: Of the two models; the latter two in [0, 1].
        replaced, added, removed: Slots with another component, new slots, slots that are gone.
        kept: Number of slots with the same component.
        shared: Number of the new model's components that roots or models of other tasks use, too.
        hparams: Those that changed, before and after.
    """

    task: TaskName
    before: ModelId | None
    after: ModelId | None
    score: Change
    val_accuracy: Change
    test_accuracy: Change
    replaced: tuple[SlotName, ...]
    added: tuple[SlotName, ...]
    removed: tuple[SlotName, ...]
    kept: int
    shared: int
    hparams: Mapping[str, tuple[HparamValue | None, HparamValue | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Two commits compared; the first may be the newer one.

    Attributes:
        before, after: Their numbers.
        came, left: Tasks.
        changed: Tasks whose published model is another one, in order of arrival.
        distinct_params: Of all published models, roots included.
        mean_val_accuracy, mean_test_accuracy: Over tasks where they are known, in [0, 1].
    """

    before: int
    after: int
    came: tuple[TaskName, ...]
    left: tuple[TaskName, ...]
    changed: tuple[TaskChange, ...]
    distinct_params: Change
    mean_val_accuracy: Change
    mean_test_accuracy: Change

    def as_json(self) -> dict[str, object]:
        """Plain values, ids in full, numbers unrounded."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain


def diff(before: State, after: State, scores_before: Scores, scores_after: Scores) -> Diff:
    """What changed between two commits.

    Args:
        before, after: The states at them.
        scores_before, scores_after: Of the published models, from the index of the log.
    """
    old, new = before.view, after.view
    old_totals, new_totals = totals(old, before.evaluations), totals(new, after.evaluations)
    return Diff(
        before=old.number,
        after=new.number,
        came=tuple(task for task in new.tasks if task not in old.tasks),
        left=tuple(task for task in old.tasks if task not in new.tasks),
        changed=tuple(
            _changed(task, (before, after), (scores_before, scores_after))
            for task in dict.fromkeys((*old.tasks, *new.tasks))
            if old.bests.get(task) != new.bests.get(task)
        ),
        distinct_params=Change(before=old_totals.distinct_params, after=new_totals.distinct_params),
        mean_val_accuracy=Change(before=old_totals.mean_val_accuracy, after=new_totals.mean_val_accuracy),
        mean_test_accuracy=Change(before=old_totals.mean_test_accuracy, after=new_totals.mean_test_accuracy),
    )


def _changed(task: TaskName, states: tuple[State, State], scores: tuple[Scores, Scores]) -> TaskChange:
    old, new = (state.view.best(task) for state in states)
    tests = [_test(state, model) for state, model in zip(states, (old, new), strict=True)]
    was, now = _slots(old), _slots(new)
    return TaskChange(
        task=task,
        before=old.id if old else None,
        after=new.id if new else None,
        score=Change(before=scores[0].get(task), after=scores[1].get(task)),
        val_accuracy=Change(before=old.quality if old else None, after=new.quality if new else None),
        test_accuracy=Change(before=tests[0], after=tests[1]),
        replaced=tuple(slot for slot in now if slot in was and was[slot] != now[slot]),
        added=tuple(slot for slot in now if slot not in was),
        removed=tuple(slot for slot in was if slot not in now),
        kept=sum(was.get(slot) == component for slot, component in now.items()),
        shared=0 if new is None else _shared(new, states[1].view),
        hparams=_hparams(old, new),
    )


def _slots(model: Model | None) -> dict[SlotName, str]:
    return {} if model is None else {component.slot: component.id for component in model.components}


def _shared(model: Model, view: SystemView) -> int:
    return sum(bool(view.users_of(c.id) - {model.task} or view.roots_of(c.id)) for c in model.components)


def _test(state: State, model: Model | None) -> float | None:
    found = None if model is None else state.evaluations.get(model.id, {}).get("test")
    return None if found is None else found.accuracy


def _hparams(
    old: Model | None, new: Model | None
) -> dict[str, tuple[HparamValue | None, HparamValue | None]]:
    if old is None or new is None:
        return {}
    names = sorted({*old.hparams, *new.hparams})
    pairs = {name: (old.hparams.get(name), new.hparams.get(name)) for name in names}
    return {name: (was, now) for name, (was, now) in pairs.items() if was != now}
