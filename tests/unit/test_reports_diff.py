"""What changed between two commits."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Model, identified
from taskgrove.reports.analyses.diff import Change, Diff, diff
from taskgrove.reports.words.diff_table import as_rich
from taskgrove.scoring.accounting import distinct_params
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.testing.scripts import life, play, retire

A, B = TaskName("a"), TaskName("b")
FIRST = 11
"""Commit of task a's first test, when b has no model yet."""


@pytest.fixture(scope="module")
def store() -> Store:
    made = Store.create(MemoryBackend())
    play(made, [*life(), retire("b")])
    return made


def between(store: Store, before: int, after: int) -> Diff:
    return diff(store.state_at(before), store.state_at(after), {A: 0.4}, {A: 0.5})


def shown(found: Diff) -> str:
    out = StringIO()
    Console(file=out, width=200).print(as_rich(found))
    return out.getvalue()


def best(store: Store, number: int, task: TaskName) -> Model:
    model = store.state_at(number).view.best(task)
    assert model is not None
    return model


def test_nothing_changes_between_a_commit_and_itself(store: Store) -> None:
    found = between(store, FIRST, FIRST)
    assert (found.came, found.left, found.changed) == ((), (), ())
    assert "none" in shown(found)


def test_a_task_whose_model_is_another_one_is_told_with_its_numbers(store: Store) -> None:
    last = store.state.view.number - 1
    found = between(store, FIRST, last)
    change = next(change for change in found.changed if change.task == A)
    assert (change.before, change.after) == (best(store, FIRST, A).id, best(store, last, A).id)
    assert change.score == Change(before=0.4, after=0.5)
    assert change.test_accuracy == Change(before=0.75, after=0.75)
    assert (change.replaced, change.added, change.removed, change.kept) == (("head",), (), (), 1)
    assert change.shared == 1
    sizes = [distinct_params(store.state_at(number).view.published()) for number in (FIRST, last)]
    assert found.distinct_params == Change(before=sizes[0], after=sizes[1])
    assert "1 kept, replaced head" in shown(found)


def test_a_first_model_has_nothing_before_it(store: Store) -> None:
    (change,) = between(store, 2, FIRST).changed
    assert (change.task, change.before, change.added, change.hparams) == (A, None, ("body", "head"), {})
    assert change.val_accuracy == Change(before=None, after=0.51)
    assert "0 kept, 2 added" in shown(between(store, 2, FIRST))


def test_tasks_come_and_leave(store: Store) -> None:
    assert between(store, 0, FIRST).came == (A, B)
    found = between(store, store.state.view.number - 1, store.state.view.number)
    assert (found.left, [change.after for change in found.changed]) == ((B,), [None])
    backwards = between(store, store.state.view.number, store.state.view.number - 1)
    assert backwards.came == (B,)


def test_hyperparameters_are_compared_one_by_one(store: Store) -> None:
    before, model = store.state_at(FIRST), best(store, FIRST, A)
    other = identified(replace(model, hparams={"opt.lr": 0.2, "data.flip": True}))
    models = {**before.view.models, other.id: other}
    after = replace(before, view=replace(before.view, models=models, bests={A: other.id}))
    (change,) = diff(before, after, {}, {}).changed
    assert change.hparams == {"opt.lr": (0.1, 0.2), "data.flip": (None, True)}
    assert (change.replaced, change.kept) == ((), 2)
    assert "data.flip None → True, opt.lr 0.1 → 0.2" in shown(diff(before, after, {}, {}))
