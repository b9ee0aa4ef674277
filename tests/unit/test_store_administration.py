"""Claims, publications of several tasks, tags, notes, retirement: what the log accepts and what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from taskgrove.domain.errors import (
    BadValueError,
    ClaimLostError,
    CommitRefusedError,
    DuplicateNameError,
    UnknownNameError,
)
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Publish
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.scripts import (
    Step,
    accept,
    add_root,
    add_task,
    begin,
    claim,
    end,
    evaluate,
    measure,
    note,
    play,
    publish,
    reject,
    retire,
    start,
    tag,
)

A, B = TaskName("a"), TaskName("b")
ROOT_STEP, ROOT = add_root()
PRELUDE = (ROOT_STEP, add_task("a", b"data of a"), add_task("b"), start("ab", 3))
A_STEP, A_BEST = accept(ROOT, "a")
B_STEP, B_BEST = accept(ROOT, "b")
A_NEXT_STEP, A_NEXT = accept(A_BEST, "a", 1)
B_NEXT_STEP, B_NEXT = accept(B_BEST, "b", 1)
GROWN = (begin("a"), A_STEP, end("a", A_BEST.id), begin("b"), B_STEP, end("b", B_BEST.id))


def system(steps: Sequence[Step] = GROWN) -> Store:
    store = Store.create(MemoryBackend())
    play(store, [*PRELUDE, *steps])
    return store


def with_blobs(store: Store, *steps: Step) -> None:
    for step in steps:
        for data in step.blobs:
            store.put_blob(data)


def both() -> Publish:
    operation = publish([A_NEXT, B_NEXT], {"a": A_BEST.id, "b": B_BEST.id}, "a", 1).operation
    assert isinstance(operation, Publish)
    return operation


def test_a_claim_fences_whoever_had_the_task_before() -> None:
    store = system()
    old = store.commit(claim("a", "first").operation).number
    store.commit(begin("a", 1).operation, claim=old)
    new = store.commit(claim("a", "second").operation).number
    with_blobs(store, A_NEXT_STEP)
    for operation in (A_NEXT_STEP.operation, end("a", A_BEST.id, 1).operation, begin("a", 1).operation):
        for token in (old, None, 0):
            with pytest.raises(ClaimLostError, match=f"belongs to second since commit {new}"):
                store.commit(operation, claim=token)
    store.commit(A_NEXT_STEP.operation, claim=new)
    store.commit(end("a", A_NEXT.id, 1).operation, claim=new)
    assert store.state.claims[A].holder == "second"
    assert store.state.view.bests[A] == A_NEXT.id
    assert check(store.backend).ok


def test_a_task_without_a_claim_is_grown_without_one() -> None:
    store = system()
    with pytest.raises(ClaimLostError, match="is not claimed"):
        store.commit(begin("a", 1).operation, claim=2)
    store.commit(claim("b").operation)
    store.commit(begin("a", 1).operation)


def test_a_claim_needs_a_task() -> None:
    with pytest.raises(UnknownNameError, match="'z'"):
        system().commit(claim("z").operation)


def test_models_of_several_tasks_are_published_at_once() -> None:
    store = system((*GROWN, begin("a", 1)))
    with_blobs(store, A_NEXT_STEP, B_NEXT_STEP)
    before = store.state.view.number
    store.commit(both())
    view = store.state.view
    assert view.number == before + 1
    assert view.bests == {A: A_NEXT.id, B: B_NEXT.id}
    assert set(view.models) == {ROOT.id, A_NEXT.id, B_NEXT.id}
    store.commit(end("a", A_NEXT.id, 1).operation)
    assert check(store.backend).ok


def test_of_two_publications_that_replace_the_same_model_one_is_refused() -> None:
    store = system((*GROWN, begin("a", 1)))
    with_blobs(store, A_NEXT_STEP, B_NEXT_STEP)
    play_b = (begin("b", 1), B_NEXT_STEP, end("b", B_NEXT.id, 1))
    for step in play_b:
        store.commit(step.operation)
    other = replace(both(), models=(A_NEXT, accept(B_BEST, "b", 2)[1]))
    with_blobs(store, accept(B_BEST, "b", 2)[0])
    before = store.state
    with pytest.raises(CommitRefusedError, match="another agent has published one since"):
        store.commit(other)
    assert store.state == before


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (replace(both(), replaces={A: A_BEST.id}), "one model per task"),
        (replace(both(), models=(A_NEXT, A_NEXT)), "one model per task"),
        (replace(both(), models=(), replaces={}), "one model per task"),
        (replace(both(), models=(A_BEST, B_NEXT)), "in the system already"),
        (replace(both(), iteration=0), "has been taken over"),
        (replace(both(), task=B), "No iteration of task 'b' is open"),
    ],
)
def test_a_publication_that_makes_no_sense_is_refused(operation: Publish, message: str) -> None:
    store = system((*GROWN, begin("a", 1)))
    with_blobs(store, A_NEXT_STEP, B_NEXT_STEP)
    with pytest.raises(CommitRefusedError, match=message):
        store.commit(operation)


def test_a_publication_needs_its_blobs() -> None:
    store = system((*GROWN, begin("a", 1)))
    with_blobs(store, A_NEXT_STEP)
    with pytest.raises(CommitRefusedError, match="put the blob first"):
        store.commit(both())


def test_a_tag_names_a_commit_for_ever() -> None:
    store = system()
    store.commit(tag("v1", 4).operation)
    with pytest.raises(DuplicateNameError, match="names commit 4 for ever"):
        store.commit(tag("v1", 5).operation)
    assert store.state.tags == {"v1": 4}


@pytest.mark.parametrize("name", ["", "1a", "HEAD", "-x", "a b", "a/b", "é", "a" * 101])
def test_what_cannot_be_a_tag_is_refused(name: str) -> None:
    with pytest.raises(BadValueError, match="cannot be a tag"):
        system().commit(tag(name, 0).operation)


@pytest.mark.parametrize("number", [-1, 99])
def test_a_tag_needs_its_commit(number: int) -> None:
    with pytest.raises(CommitRefusedError, match="There is no commit"):
        system().commit(tag("v1", number).operation)


def test_a_note_changes_nothing_but_the_history() -> None:
    store = system()
    before = store.state
    store.commit(note("the light was bad", "a").operation)
    store.commit(note("all is well").operation)
    assert replace(store.state, head="", view=before.view) == replace(before, head="")
    with pytest.raises(UnknownNameError):
        store.commit(note("?", "z").operation)


def test_a_retired_task_is_gone_and_its_name_stays_taken() -> None:
    store = system((*GROWN, begin("a", 1), A_NEXT_STEP, claim("a")))
    store.commit(retire("a").operation)
    state = store.state
    assert (list(state.view.tasks), dict(state.view.bests), state.retired) == ([B], {B: B_BEST.id}, (A,))
    assert set(state.view.models) == {ROOT.id, B_BEST.id}
    assert not {A} & {*state.open, *state.claims, *state.unmeasured, *state.view.populations}
    with pytest.raises(DuplicateNameError, match="There was a task named 'a'"):
        store.commit(add_task("a").operation)
    with pytest.raises(UnknownNameError):
        store.commit(retire("a").operation)
    store.commit(note("it was too dark", "a").operation)
    assert check(store.backend).ok


def test_a_child_of_a_retired_task_is_refused_and_others_may_still_descend_from_it() -> None:
    store = system((*GROWN, begin("b", 1), begin("a", 1)))
    store.commit(retire("a").operation)
    with pytest.raises(CommitRefusedError, match="No iteration of task 'a' is open"):
        store.commit(reject(ROOT, "a", 1).operation)
    step, model = accept(A_BEST, "b", 1)
    with_blobs(store, step)
    store.commit(step.operation)
    store.commit(end("b", model.id, 1).operation)
    assert check(store.backend).ok


def test_the_tests_of_a_retired_task_are_over() -> None:
    store = system(GROWN)
    store.commit(retire("a").operation)
    for step in (evaluate(A_BEST), measure("a")):
        with pytest.raises((CommitRefusedError, UnknownNameError)):
            store.commit(step.operation)


def test_history_stops_where_it_is_told_to() -> None:
    store = system()
    assert [c.number for c in store.history(2, 5)] == [2, 3, 4]
    assert list(store.history(5, 2)) == []
    assert len([*store.history()]) == len(PRELUDE) + len(GROWN)
    assert store.state_at(3).view == system(()).state.view
