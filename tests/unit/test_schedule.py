"""The order of task iterations: round by round, what is done left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskgrove.coordinator.schedule import sequential
from taskgrove.domain.ids import TaskName

A, B, C = (TaskName(name) for name in "abc")


def test_rounds_visit_all_tasks_in_order() -> None:
    assert [*sequential((B, A), 3, {})] == [B, A, B, A, B, A]


def test_an_interrupted_run_goes_on_where_it_stood() -> None:
    assert [*sequential((A, B, C), 2, {A: 1})] == [B, C, A, B, C]
    assert [*sequential((A, B, C), 2, {A: 2, B: 1, C: 1})] == [B, C]
    assert [*sequential((A, B), 2, {A: 2, B: 2})] == []


def test_a_task_that_arrives_late_catches_up() -> None:
    assert [*sequential((A, C), 2, {A: 2})] == [C, C]
    assert [*sequential((A, C), 3, {A: 2})] == [C, C, A, C]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 16))
def test_the_rest_of_a_run_is_the_tail_of_the_whole(num_tasks: int, iterations: int, done: int) -> None:
    tasks = [TaskName(f"task {i}") for i in range(num_tasks)]
    whole = [*sequential(tasks, iterations, {})]
    head = whole[:done]
    finished = {task: head.count(task) for task in tasks}
    assert [*sequential(tasks, iterations, finished)] == whole[done:]
