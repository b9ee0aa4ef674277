"""A run's log from beginning to end: what is committed, in which order, and what observers hear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from itertools import count
from typing import ParamSpec, TypeVar, final

import pytest

from taskgrove.coordinator import parts
from taskgrove.coordinator.base import AbstractExecutor, Event, Stage
from taskgrove.coordinator.driver import effort
from taskgrove.coordinator.executors.inline import InlineExecutor
from taskgrove.coordinator.metrics import metrics
from taskgrove.domain.errors import CommitRefusedError, TaskDataError
from taskgrove.domain.ids import CommitId, TaskName
from taskgrove.domain.jobs import EvaluateJob, TrainJob
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddTask,
    BeginIteration,
    EndIteration,
    FinishChild,
    Operation,
    StartExperiment,
)
from taskgrove.domain.view import SystemView
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.log import replay
from taskgrove.store.store import Store
from taskgrove.testing.executors import OutOfOrder
from taskgrove.testing.layouts import tiny_store
from taskgrove.testing.runs import (
    CHILDREN,
    GENERATIONS,
    SMALL,
    A,
    B,
    Interrupted,
    grow,
    interrupt_at,
    log_of,
    run_of,
)

P = ParamSpec("P")
R = TypeVar("R")
PER_ITERATION = GENERATIONS * CHILDREN
ITERATION = [BeginIteration, *[FinishChild] * PER_ITERATION, EndIteration]
FIRST = 3
"""Number of the first commit of a run: the root and two tasks come before."""


def operations(store: Store) -> list[Operation]:
    return [commit.operation for commit in store.history(FIRST)]


def children(store: Store) -> list[FinishChild]:
    return [operation for operation in operations(store) if isinstance(operation, FinishChild)]


def system(view: SystemView) -> SystemView:
    """What the order of commits does not decide."""
    return replace(view, number=0)


@final
class AtOnce(AbstractExecutor):
    """Says that it runs several calls at the same time."""

    name = "at_once"
    summary = "for tests"
    parallel = True

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        return InlineExecutor().submit(fn, *args, **kwargs)

    def shutdown(self) -> None:
        pass


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBackend())


def test_the_log_of_a_run_is_its_steps_in_order(store: Store) -> None:
    grow(store, run_of())
    assert [type(operation) for operation in operations(store)] == [
        StartExperiment,
        *ITERATION,
        AddEvaluation,
        AddMetrics,
        *ITERATION,
        AddEvaluation,
        AddMetrics,
    ]
    begun = [o for o in operations(store) if isinstance(o, BeginIteration)]
    assert [(o.task, o.iteration, o.agent) for o in begun] == [(A, 0, "mu2net_plus"), (B, 0, "mu2net_plus")]
    assert operations(store)[0] == run_of().start


def test_children_are_recorded_in_order_with_what_the_trainer_said(store: Store) -> None:
    grow(store, run_of(tasks=[A]))
    recorded = children(store)
    assert [(c.generation, c.child) for c in recorded] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for child in recorded:
        assert child.result is not None
        assert child.failure is None
        assert child.score == child.result.quality
        if child.model is not None:
            assert (child.model.quality, child.model.parent) == (child.result.quality, child.parent)
            assert (child.model.seed, child.model.mutations) == (child.seed, child.mutations)


def test_the_best_accepted_child_becomes_the_tasks_model(store: Store) -> None:
    view = grow(store, run_of(tasks=[A]))
    scores = {c.model.id: c.score for c in children(store) if c.model is not None and c.score is not None}
    assert view.bests == {A: max(scores, key=lambda model: scores[model])}
    assert set(view.models) == {*view.roots, view.bests[A]}
    assert view.populations == {}


def test_the_view_that_is_returned_is_the_head_of_the_log(store: Store) -> None:
    assert grow(store, run_of()) == Store.open(store.backend).view()


def test_a_second_iteration_never_builds_on_what_the_first_retired(store: Store) -> None:
    grow(store, run_of(2, [A]))
    begun = [o.iteration for o in operations(store) if isinstance(o, BeginIteration)]
    first = next(o for o in operations(store) if isinstance(o, EndIteration))
    retired = {c.model.id for c in children(store) if c.model is not None and c.iteration == 0} - {first.best}
    parents = [c.parent for c in children(store) if c.iteration == 1]
    assert begun == [0, 1]
    assert retired
    assert retired.isdisjoint(parents)


def test_failures_are_recorded_and_the_run_goes_on(store: Store) -> None:
    view = grow(store, run_of(tasks=[A]), fails=lambda job: job.child == 0)
    failed = [c for c in children(store) if c.child == 0]
    assert len(failed) == 2
    for child in failed:
        assert (child.result, child.model, child.score) == (None, None, None)
        assert child.failure is not None
        assert (child.failure.kind, child.failure.seed) == ("diverged", child.seed)
    assert view.models[view.bests[A]].child == 1


def test_a_task_whose_children_all_fail_gets_no_model_and_no_test(store: Store) -> None:
    view = grow(store, run_of(tasks=[A]), fails=lambda _: True)
    assert [type(o) for o in operations(store)] == [StartExperiment, *ITERATION, AddMetrics]
    assert view.bests == {}
    assert view.iterations == {A: 1}


def test_every_published_model_is_tested_once(store: Store) -> None:
    jobs: list[EvaluateJob] = []
    view = grow(store, run_of(4), before_testing=jobs.append)
    tested = [o.evaluation for o in operations(store) if isinstance(o, AddEvaluation)]
    ended = [o.best for o in operations(store) if isinstance(o, EndIteration)]
    assert len(set(ended)) < len(ended), "some iteration leaves its task's model as it was"
    assert Counter(evaluation.model for evaluation in tested) == dict.fromkeys(ended, 1)
    assert [(job.model, job.split) for job in jobs] == [(e.model, e.split) for e in tested]
    assert {evaluation.split for evaluation in tested} == {"test"}
    assert store.state.evaluations[view.bests[A]]["test"].accuracy == view.models[view.bests[A]].quality


def test_a_run_that_has_ended_writes_nothing_more(store: Store) -> None:
    grow(store, run_of())
    before = log_of(store.backend)
    grow(Store.open(store.backend), run_of())
    assert log_of(store.backend) == before


def test_growing_again_goes_on_with_the_next_iteration(store: Store) -> None:
    grow(store, run_of(name="first"))
    view = grow(store, run_of(name="second"))
    begun = [(o.experiment, o.task, o.iteration) for o in operations(store) if isinstance(o, BeginIteration)]
    assert begun == [("first", A, 0), ("first", B, 0), ("second", A, 1), ("second", B, 1)]
    assert view.iterations == {A: 2, B: 2}
    assert view.progress == {"first": {A: 1, B: 1}, "second": {A: 1, B: 1}}


def test_an_experiment_may_get_more_iterations_and_is_the_same_as_if_it_had_them_from_the_start(
    store: Store,
) -> None:
    grow(store, run_of(1))
    grown = grow(store, run_of(2))
    at_once = grow(tiny_store(MemoryBackend()), run_of(2))
    assert grown.bests == at_once.bests
    assert grown.models == at_once.models


def test_an_experiment_may_get_more_tasks(store: Store) -> None:
    grow(store, run_of(1, [A]))
    view = grow(store, run_of(1, [A, B]))
    assert view.progress == {"tiny": {A: 1, B: 1}}


def test_asking_again_for_less_than_was_asked_for_changes_nothing(store: Store) -> None:
    grow(store, run_of(2))
    before = log_of(store.backend)
    grow(store, run_of(1, [B]))
    assert log_of(store.backend) == before


def test_asking_for_more_of_one_and_less_of_another_keeps_what_was_asked_for(store: Store) -> None:
    grow(store, run_of(2, [A]))
    view = grow(store, run_of(1, [B]))
    assert view.progress == {"tiny": {A: 2, B: 1}}
    assert (view.experiments["tiny"].iterations, view.experiments["tiny"].tasks) == (2, (A, B))


def test_two_processes_that_carry_out_the_same_run_write_every_commit_once(store: Store) -> None:
    other = Store.open(store.backend)

    def meanwhile(job: TrainJob) -> None:
        if (job.task, job.child) == (A, 1):
            grow(other, run_of())

    grow(store, run_of(), before_training=meanwhile)
    alone = tiny_store(MemoryBackend())
    grow(alone, run_of())
    assert log_of(store.backend)[FIRST:] == log_of(alone.backend)[FIRST:]


def test_another_experiment_under_the_same_name_is_refused(store: Store) -> None:
    grow(store, run_of())
    before = log_of(store.backend)
    with pytest.raises(CommitRefusedError, match="started with other settings"):
        grow(store, run_of(2, digest="another"))
    assert log_of(store.backend) == before


def test_recorded_children_of_another_search_are_refused(store: Store) -> None:
    with pytest.raises(Interrupted):
        grow(store, run_of(), before_training=interrupt_at(1))
    with pytest.raises(CommitRefusedError, match=r"Child 0\.0 of a in the log is not the one"):
        grow(store, run_of(seed=1))


def test_an_iteration_that_another_experiment_left_open_is_begun_anew(store: Store) -> None:
    with pytest.raises(Interrupted):
        grow(store, run_of(name="first"), before_training=interrupt_at(3))
    view = grow(store, run_of(name="second"))
    assert view.progress == {"second": {A: 1, B: 1}}
    view = grow(store, run_of(name="first"))
    assert view.iterations == {A: 2, B: 2}


def test_an_iteration_without_children_can_be_begun_a_second_time(store: Store) -> None:
    for name in ("first", "second"):
        with pytest.raises(Interrupted):
            grow(store, run_of(name=name), before_training=interrupt_at(0))
    assert grow(store, run_of(name="first")).progress == {"first": {A: 1, B: 1}}


def test_an_iteration_can_be_begun_a_second_time_by_the_same_experiment(store: Store) -> None:
    for name in ("first", "second"):
        with pytest.raises(Interrupted):
            grow(store, run_of(name=name), before_training=interrupt_at(1))
    assert grow(store, run_of(name="first")).progress == {"first": {A: 1, B: 1}}


def test_a_run_may_go_on_on_another_device(store: Store) -> None:
    with pytest.raises(Interrupted):
        grow(store, run_of(spec='{"device":"auto"}'), before_training=interrupt_at(1))
    view = grow(store, run_of(spec='{"device":"cpu"}'))
    assert view.progress == {"tiny": {A: 1, B: 1}}


def test_an_error_of_the_trainer_ends_the_run_and_leaves_a_sound_log(store: Store) -> None:
    def gone(job: TrainJob) -> None:
        if job.child == 1:
            raise TaskDataError("The data is gone.")

    with pytest.raises(TaskDataError, match="gone"):
        grow(store, run_of(), before_training=gone)
    assert [type(o) for o in operations(store)] == [StartExperiment, BeginIteration, FinishChild]
    assert grow(store, run_of()).progress == {"tiny": {A: 1, B: 1}}


def test_an_interruption_is_not_caught_by_the_executor() -> None:
    with pytest.raises(Interrupted):
        InlineExecutor().submit(interrupt_at(0), None)


def test_children_may_end_in_the_reverse_order(store: Store) -> None:
    executor = OutOfOrder(CHILDREN)
    backwards = grow(store, run_of(2), executor=executor, observe=executor.observe)
    executor.shutdown()
    other = tiny_store(MemoryBackend())
    forwards = grow(other, run_of(2))
    assert system(backwards) == system(forwards)
    orders = [[(c.generation, c.child) for c in children(s)][:CHILDREN] for s in (store, other)]
    assert orders == [[(0, 1), (0, 0)], [(0, 0), (0, 1)]]


def test_ids_of_commits_follow_from_their_place_and_never_repeat(store: Store) -> None:
    grow(store, run_of(3))
    ids: list[CommitId] = [commit.id for commit in store.history()]
    assert len(set(ids)) == len(ids)
    again = tiny_store(MemoryBackend())
    grow(again, run_of(3))
    assert [commit.id for commit in again.history(FIRST)] == ids[FIRST:]


def test_commits_say_how_long_the_work_took(store: Store) -> None:
    grow(store, run_of())
    for commit in store.history(FIRST):
        phase = {FinishChild: "train_s", AddEvaluation: "evaluate_s"}.get(type(commit.operation))
        assert set(commit.meters) == (set() if phase is None else {phase, "device_s"})
        assert all(value >= 0.0 for value in commit.meters.values())


def test_the_meters_are_read_before_and_after_each_job(store: Store) -> None:
    readings = count(100.0, 2.5)
    grow(store, run_of(tasks=[A]), meters=lambda: {"device_s": next(readings), "still": 7.0})
    told = [c.meters["device_s"] for c in store.history() if c.meters]
    assert all("still" not in c.meters for c in store.history()), "what did not change says nothing"
    assert told == [2.5] * (PER_ITERATION + 1)
    assert store.state.spent["tiny"].device_s == 2.5 * PER_ITERATION


def test_the_system_is_measured_once_after_every_task_iteration(store: Store) -> None:
    grow(store, run_of(3))
    grow(store, run_of(1, name="second"))
    measured = [o for o in operations(store) if isinstance(o, AddMetrics)]
    ended = [o for o in operations(store) if isinstance(o, EndIteration)]
    where = [(o.experiment, o.task, o.iteration) for o in ended]
    assert [(o.experiment, o.task, o.iteration) for o in measured] == where
    assert store.state.unmeasured == {}


def test_metrics_are_of_the_system_at_their_commit(store: Store) -> None:
    grow(store, run_of(2))
    for commit in list(store.history()):
        if isinstance(commit.operation, AddMetrics):
            state = replay(store.backend, commit.number - 1)
            assert commit.operation.values == metrics(state, "tiny")


def test_views_do_not_show_what_was_measured(store: Store) -> None:
    grow(store, run_of(tasks=[A]))
    number = next(c.number for c in store.history() if isinstance(c.operation, AddMetrics))
    assert replace(store.view(number), number=number - 1) == store.view(number - 1)


def test_what_a_run_has_spent_is_the_sum_of_its_children(store: Store) -> None:
    grow(store, run_of(), fails=lambda job: job.child == 0)
    spent, trained = store.state.spent["tiny"], children(store)
    assert spent.children == len(trained) == 2 * PER_ITERATION
    assert spent.failed == 2 * GENERATIONS
    assert spent.samples == sum(c.result.samples for c in trained if c.result) > 0
    last = [o for o in operations(store) if isinstance(o, AddMetrics)][-1]
    assert (last.values["children"], last.values["samples"]) == (spent.children, spent.samples)


def test_metrics_of_an_iteration_that_another_experiment_ended_are_left_to_it(store: Store) -> None:
    with pytest.raises(Interrupted):
        grow(store, run_of(name="first"), observe=interrupt_at(PER_ITERATION + 2))
    assert store.state.unmeasured == {A: ("first", 0)}
    grow(store, run_of(tasks=[B], name="second"))
    assert store.state.unmeasured == {A: ("first", 0)}
    grow(store, run_of(name="first"))
    assert store.state.unmeasured == {}


def test_observers_hear_of_every_step(store: Store) -> None:
    events: list[Event] = []
    view = grow(store, run_of(), observe=events.append)
    child = [Stage.CHILD] * PER_ITERATION
    iteration = [Stage.BEGUN, *child, Stage.ENDED, Stage.EVALUATED]
    assert [event.stage for event in events] == iteration * 2
    assert {event.total for event in events} == {2 * PER_ITERATION}
    assert [event.done for event in events if event.stage is Stage.CHILD] == [*range(1, 9)]
    assert [event.task for event in events] == [A] * len(iteration) + [B] * len(iteration)
    assert not any(event.recovered for event in events)
    tested = [event.accuracy for event in events if event.stage is Stage.EVALUATED]
    assert tested == [view.models[view.bests[task]].quality for task in (A, B)]


def test_observers_hear_what_became_of_every_child(store: Store) -> None:
    events: list[Event] = []
    grow(store, run_of(), observe=events.append, fails=lambda job: job.generation == 1 and job.child == 0)
    heard = [event for event in events if event.stage is Stage.CHILD]
    for event, child in zip(heard, children(store), strict=True):
        assert (event.generation, event.child) == (child.generation, child.child)
        assert event.quality == (child.result.quality if child.result else None)
        assert event.accepted == (child.model is not None)
        assert event.text == ("Told to diverge." if child.failure else "")


def test_the_best_that_observers_hear_of_is_the_tasks(store: Store) -> None:
    events: list[Event] = []
    view = grow(store, run_of(tasks=[A]), observe=events.append)
    assert events[0].best is None
    ended = next(event for event in events if event.stage is Stage.ENDED)
    assert ended.best == view.models[view.bests[A]].quality
    events.clear()
    grow(store, run_of(tasks=[A], name="again"), observe=events.append)
    assert events[0].best == ended.best


def test_observers_hear_which_children_were_read_from_the_log(store: Store) -> None:
    with pytest.raises(Interrupted):
        grow(store, run_of(), before_training=interrupt_at(3))
    events: list[Event] = []
    grow(store, run_of(), observe=events.append)
    assert events[0].recovered
    assert events[0].text == "taken up with 3 recorded children"
    heard = [event.recovered for event in events if event.stage is Stage.CHILD]
    assert heard == [True] * 3 + [False] * 5
    assert max(event.done for event in events) == {event.total for event in events}.pop() == 8


def test_a_large_test_is_done_in_parts_and_recorded_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fake trainer finds 100 images, and the same accuracy in all parts."""
    monkeypatch.setattr(parts, "PART", 40)
    task = replace(store.view().task(A), name=TaskName("c"), sizes={"train": 8, "val": 2, "test": 100})
    store.commit(AddTask(task=task))
    asked: list[EvaluateJob] = []
    readings = count()

    def meters() -> dict[str, float]:
        return {"jobs": float(next(readings))}

    grow(store, run_of(tasks=[task.name]), before_testing=asked.append, meters=meters)
    assert [(job.start, job.stop) for job in asked] == [(0, 40), (40, 80), (80, 100)]
    found = [commit for commit in store.history(FIRST) if isinstance(commit.operation, AddEvaluation)]
    assert len(found) == 1
    assert found[0].meters["jobs"] == len(asked)
    assert isinstance(found[0].operation, AddEvaluation)
    tested = found[0].operation.evaluation
    best = store.view().best(task.name)
    assert best is not None
    assert tested.num_samples == 100
    assert tested.accuracy == pytest.approx(best.quality, abs=0.02)


def test_where_several_run_at_once_the_longest_child_comes_first(store: Store) -> None:
    options = replace(SMALL, generations=1, children=6)
    trained: list[TrainJob] = []
    grow(store, run_of(tasks=[A], options=options), before_training=trained.append)
    in_order = [job.child for job in trained]
    assert in_order == sorted(in_order), "alone, in the order in which the agent asks"

    again, at_once = tiny_store(MemoryBackend()), list[TrainJob]()
    grow(again, run_of(tasks=[A], options=options), executor=AtOnce(), before_training=at_once.append)
    assert sorted(at_once, key=lambda job: job.child) == trained
    efforts = [effort(job) for job in at_once]
    assert efforts == sorted(efforts, reverse=True)
    assert len(set(efforts)) > 1
    assert system(again.view()) == system(store.view())
