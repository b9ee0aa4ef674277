"""What the log accepts, and what each operation does to the state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from taskgrove.domain.errors import CommitRefusedError, DuplicateNameError, UnknownNameError
from taskgrove.domain.ids import AgentName, CommitId, ModelId, TaskName
from taskgrove.domain.records import AddMetrics, AddRoot, Commit, FinishChild, Model, Operation, identified
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.rules import validate
from taskgrove.store.spent import Spent
from taskgrove.store.state import State
from taskgrove.store.store import Store
from taskgrove.testing.scripts import (
    EXPERIMENT,
    Step,
    accept,
    add_root,
    add_task,
    begin,
    end,
    evaluate,
    measure,
    play,
    reject,
    start,
)

A, B = TaskName("a"), TaskName("b")
ROOT_STEP, ROOT = add_root()
PRELUDE = (ROOT_STEP, add_task("a"), add_task("b"), start("ab"))
ONE_STEP, ONE = accept(ROOT, "a", child=0)
TWO_STEP, TWO = accept(ONE, "a", child=1)
B_STEP, B_BEST = accept(ROOT, "b")


def after(steps: Sequence[Step]) -> State:
    store = Store.create(MemoryBackend())
    play(store, [*PRELUDE, *steps])
    return store.state


def child_of(step: Step) -> FinishChild:
    assert isinstance(step.operation, FinishChild)
    return step.operation


def draft(operation: Operation, claim: int | None = None, epoch: int = 0) -> Commit:
    return Commit(
        number=0, previous="", id=CommitId("i"), time=0.0, operation=operation, claim=claim, epoch=epoch
    )


def refuse(state: State, operation: Operation, message: str) -> None:
    with pytest.raises(CommitRefusedError, match=message):
        validate(state, draft(operation))


def test_roots_and_tasks_arrive_in_order() -> None:
    view = after([]).view
    assert view.roots == (ROOT.id,)
    assert list(view.tasks) == ["a", "b"]
    assert view.models == {ROOT.id: ROOT}
    assert view.experiments[EXPERIMENT].tasks == ("a", "b")
    assert view.number == 3


def test_a_root_must_be_new_and_belong_to_no_task() -> None:
    state = after([])
    refuse(state, AddRoot(model=ROOT), "in the system already")
    refuse(state, AddRoot(model=ONE), "belongs to no task")
    refuse(state, AddRoot(model=replace(ROOT, samples=1)), "does not carry the hash")
    validate(state, draft(AddRoot(model=identified(replace(ROOT, samples=1)))))


def test_a_task_name_is_taken_once() -> None:
    with pytest.raises(DuplicateNameError, match="'a' already"):
        validate(after([]), draft(add_task("a").operation))


def test_an_experiment_needs_its_tasks_and_keeps_its_digest() -> None:
    state = after([add_task("c")])
    with pytest.raises(UnknownNameError, match="'d'"):
        validate(state, draft(start("abd").operation))
    refuse(state, start("ab", digest="other").operation, "other settings")
    refuse(state, start("a").operation, "are less")
    refuse(state, start("ab", iterations=0).operation, "are less")


def test_an_experiment_may_grow() -> None:
    view = after([add_task("c"), start("abc", iterations=3)]).view
    assert view.experiments[EXPERIMENT].tasks == ("a", "b", "c")
    assert view.experiments[EXPERIMENT].iterations == 3


def test_an_iteration_needs_a_started_experiment_a_task_and_its_turn() -> None:
    state = after([])
    with pytest.raises(UnknownNameError, match="task named 'z'"):
        validate(state, draft(begin("z").operation))
    refuse(state, begin("a", iteration=1).operation, "is 0, not 1")
    with pytest.raises(UnknownNameError, match="experiment named"):
        validate(State(), draft(begin("a").operation))


def test_beginning_changes_only_the_number_of_the_view() -> None:
    before = after([])
    begun = after([begin("a")])
    assert begun.view == replace(before.view, number=before.view.number + 1)
    assert begun.open[A].begun == begun.view.number


def test_an_accepted_child_is_published_and_its_parent_counted() -> None:
    state = after([begin("a"), ONE_STEP, TWO_STEP])
    assert state.view.models == {ROOT.id: ROOT, ONE.id: ONE, TWO.id: TWO}
    assert state.view.populations == {A: (ONE.id, TWO.id)}
    assert state.view.selections == {A: {ROOT.id: 1, ONE.id: 1}}
    assert state.open[A].children == ((0, 0), (0, 1))
    assert state.view.bests == {}


def test_rejected_and_failed_children_count_their_parent_too() -> None:
    view = after([begin("a"), reject(ROOT, "a"), reject(ROOT, "a", child=1, failed=True)]).view
    assert view.selections == {A: {ROOT.id: 2}}
    assert A not in view.populations


def test_a_child_needs_the_open_iteration_of_its_own() -> None:
    refuse(after([]), ONE_STEP.operation, "No iteration of task 'a' is open")
    state = after([begin("a")])
    refuse(state, B_STEP.operation, "No iteration of task 'b' is open")
    for change in ({"iteration": 1}, {"agent": AgentName("x")}, {"experiment": "x"}):
        refuse(state, replace(child_of(ONE_STEP), **change), "taken over")


def test_a_child_is_recorded_once() -> None:
    state = after([begin("a"), ONE_STEP])
    refuse(state, ONE_STEP.operation, "recorded already")
    refuse(state, reject(ROOT, "a", child=0).operation, "recorded already")
    validate(state, draft(replace(child_of(reject(ROOT, "a", child=0)), generation=1)))


def test_a_child_needs_a_live_parent() -> None:
    refuse(after([begin("a")]), TWO_STEP.operation, "not a live model")


def test_a_child_may_keep_a_parent_that_another_task_has_retired_since() -> None:
    step, child = accept(B_BEST, "a")
    newer_step, newer = accept(B_BEST, "b", iteration=1)
    state = after(
        [
            *(begin("b"), B_STEP, end("b", B_BEST.id)),
            *(begin("a"), begin("b", 1), newer_step, end("b", newer.id, 1), step),
        ]
    )
    assert B_BEST.id not in state.view.models
    assert state.view.populations == {A: (child.id,)}
    assert A not in state.view.selections


def test_a_child_has_either_a_result_or_a_failure() -> None:
    state = after([begin("a")])
    failed = child_of(reject(ROOT, "a", failed=True))
    refuse(state, replace(failed, failure=None), "either a result or a failure")
    refuse(state, replace(failed, result=child_of(ONE_STEP).result), "either a result or a failure")


def test_a_published_child_is_what_the_record_says() -> None:
    state, child = after([begin("a")]), child_of(ONE_STEP)

    def changed(**fields: object) -> Model:
        return identified(replace(ONE, **fields))  # type: ignore[arg-type]

    refuse(state, replace(child, model=replace(ONE, samples=1)), "does not carry the hash")
    refuse(state, replace(child, model=changed(task=B)), "is a child of")
    refuse(state, replace(child, model=changed(parent=ModelId("x"))), "is a child of")
    refuse(state, replace(child, score=None), "without a training result or a score")
    failure = child_of(reject(ROOT, "a", failed=True)).failure
    refuse(state, replace(child, result=None, failure=failure), "without a training result or a score")


def test_ending_makes_the_best_the_tasks_model_and_retires_the_others() -> None:
    state = after([begin("a"), ONE_STEP, TWO_STEP, end("a", TWO.id)])
    view = state.view
    assert view.best(A) == TWO
    assert set(view.models) == {ROOT.id, TWO.id}
    assert view.populations == {}
    assert view.selections == {A: {ROOT.id: 1}}
    assert view.iterations == {A: 1}
    assert view.progress == {EXPERIMENT: {A: 1}}
    assert state.open == {}


def test_the_previous_best_retires_and_is_forgotten_by_every_task() -> None:
    newer_step, newer = accept(B_BEST, "b", iteration=1)
    use_step, _ = accept(B_BEST, "a")
    state = after(
        [
            *(begin("b"), B_STEP, end("b", B_BEST.id)),
            *(begin("a"), use_step, begin("b", 1), newer_step, end("b", newer.id, 1)),
        ]
    )
    assert B_BEST.id not in state.view.models
    assert all(B_BEST.id not in counts for counts in state.view.selections.values())
    assert state.view.best(B) == newer
    assert state.view.populations.keys() == {A}


def test_an_iteration_may_keep_the_present_best() -> None:
    step, _ = accept(TWO, "a", iteration=1)
    view = after(
        [begin("a"), ONE_STEP, TWO_STEP, end("a", TWO.id), begin("a", 1), step, end("a", TWO.id, 1)]
    ).view
    assert set(view.models) == {ROOT.id, TWO.id}
    assert view.selections == {A: {ROOT.id: 1, TWO.id: 1}}
    assert view.iterations == {A: 2}


def test_an_iteration_without_accepted_children_may_end_without_a_model() -> None:
    state = after([begin("a"), reject(ROOT, "a"), end("a", None)])
    assert state.view.best(A) is None
    assert state.view.iterations == {A: 1}


def test_the_end_needs_its_iteration_and_one_of_its_models() -> None:
    refuse(after([]), end("a", None).operation, "No iteration")
    refuse(after([begin("a")]), end("a", None, iteration=1).operation, "taken over")
    refuse(after([begin("a")]), end("a", ROOT.id).operation, "cannot end with")
    refuse(after([begin("a"), ONE_STEP]), end("a", None).operation, "cannot end with")
    done = after([begin("a"), ONE_STEP, end("a", ONE.id), begin("a", 1)])
    refuse(done, end("a", None, iteration=1).operation, "cannot end with")


def test_beginning_again_takes_the_iteration_over_and_drops_its_population() -> None:
    other = AgentName("other")
    state = after([begin("a"), ONE_STEP, TWO_STEP, begin("a", agent=other)])
    assert set(state.view.models) == {ROOT.id}
    assert state.view.populations == {}
    assert state.view.selections == {A: {ROOT.id: 1}}
    assert state.open[A].agent == other
    assert state.open[A].children == ()
    refuse(state, TWO_STEP.operation, "taken over")


def test_taking_over_keeps_the_tasks_model() -> None:
    state = after([begin("a"), ONE_STEP, end("a", ONE.id), begin("a", 1), begin("a", 1)])
    assert state.view.best(A) == ONE


def test_evaluations_are_of_live_models_and_outside_the_view() -> None:
    state = after([begin("a"), ONE_STEP, end("a", ONE.id), evaluate(ONE)])
    assert state.evaluations[ONE.id]["test"].accuracy == 0.75
    assert "0.75" not in repr(state.view)
    refuse(state, evaluate(TWO).operation, "is not live")
    refuse(state, evaluate(ONE, split="").operation, "no split")


def test_metrics_are_recorded_once_between_the_ends_of_two_iterations() -> None:
    ended = [begin("a"), ONE_STEP, end("a", ONE.id)]
    again = [*ended, begin("a", 1), end("a", ONE.id, 1)]
    validate(after(ended), draft(measure("a").operation))
    validate(after([*ended, begin("a", 1)]), draft(measure("a").operation))
    validate(after(again), draft(measure("a", 1).operation))
    refuse(after([begin("a"), ONE_STEP]), measure("a").operation, "not due: none are")
    refuse(after([*ended, measure("a")]), measure("a").operation, "not due: none are")
    refuse(after(again), measure("a").operation, "not due: those after iteration 1 by 'scripted' are")


def test_metrics_are_of_the_experiment_and_the_task_whose_iteration_has_ended() -> None:
    state, found = after([begin("a"), ONE_STEP, end("a", ONE.id)]), measure("a").operation
    assert isinstance(found, AddMetrics)
    refuse(state, replace(found, task=B), "not due")
    with pytest.raises(UnknownNameError, match="'another'"):
        validate(state, draft(replace(found, experiment="another")))
    with pytest.raises(UnknownNameError, match="'c'"):
        validate(state, draft(replace(found, task=TaskName("c"))))


def test_what_an_experiment_has_spent_is_the_sum_over_its_children() -> None:
    steps = [begin("a"), ONE_STEP, reject(ROOT, "a", child=2), reject(ROOT, "a", child=3, failed=True)]
    spent = after(steps).spent
    assert spent == {EXPERIMENT: Spent(children=3, failed=1, samples=16, flops=160)}
    assert after([*steps, begin("a")]).spent == spent, "what was dropped was paid for"


def test_what_a_child_cost_until_it_failed_is_spent() -> None:
    failed = child_of(reject(ROOT, "a", child=3, failed=True))
    assert failed.failure is not None
    diverged = replace(failed, failure=replace(failed.failure, samples=64, flops=640))
    spent = Spent().plus(diverged, {})
    assert (spent.children, spent.failed, spent.samples, spent.flops) == (1, 1, 64, 640)


def test_the_meters_of_commits_are_added_up() -> None:
    child = child_of(ONE_STEP)
    spent = (
        Spent()
        .plus(child, {"train_s": 2.0, "device_s": 3.0, "activations": 8.0})
        .plus(child, {"train_s": 1.0})
    )
    assert (spent.children, spent.train_s, spent.device_s) == (2, 3.0, 3.0)
    assert spent.meters["activations"] == 8.0
