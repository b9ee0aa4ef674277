"""The order of task iterations: round by round, what is done left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from taskgrove.coordinator.schedule import sequential
from taskgrove.domain.ids import TaskName

A, B, C = (TaskName(name) for name in "abc")


def order(tasks: Sequence[TaskName], iterations: int, finished: Mapping[TaskName, int]) -> list[TaskName]:
    """The tasks without their rounds."""
    return [task for _, task in sequential(tasks, iterations, finished)]


def test_every_task_comes_with_its_round() -> None:
    assert [*sequential((B, A), 2, {A: 1})] == [(0, B), (1, B), (1, A)]


def test_rounds_visit_all_tasks_in_order() -> None:
    assert order((B, A), 3, {}) == [B, A, B, A, B, A]


def test_an_interrupted_run_goes_on_where_it_stood() -> None:
    assert order((A, B, C), 2, {A: 1}) == [B, C, A, B, C]
    assert order((A, B, C), 2, {A: 2, B: 1, C: 1}) == [B, C]
    assert order((A, B), 2, {A: 2, B: 2}) == []


def test_a_task_that_arrives_late_catches_up() -> None:
    assert order((A, C), 2, {A: 2}) == [C, C]
    assert order((A, C), 3, {A: 2}) == [C, C, A, C]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 16))
def test_the_rest_of_a_run_is_the_tail_of_the_whole(num_tasks: int, iterations: int, done: int) -> None:
    tasks = [TaskName(f"task {i}") for i in range(num_tasks)]
    whole = order(tasks, iterations, {})
    head = whole[:done]
    finished = {task: head.count(task) for task in tasks}
    assert order(tasks, iterations, finished) == whole[done:]
