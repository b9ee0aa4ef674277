"""Measures of continual learning on a matrix whose values were worked out by hand."""

from __future__ import annotations

import pytest

from taskgrove.domain.ids import TaskName
from taskgrove.reports.analyses.transfer import (
    AccuracyMatrix,
    accuracy_matrix,
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    gain_when_learned,
    intransigence,
    multi_task_gain,
    paper_delta,
)
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.testing.layouts import tiny_store
from taskgrove.testing.runs import grow, run_of

A, B, C = (TaskName(name) for name in "abc")
MATRIX = AccuracyMatrix(
    learned=(A, B, C),
    rows=({A: 0.9, B: 0.2, C: 0.15}, {A: 0.7, B: 0.8, C: 0.3}, {A: 0.6, B: 0.85, C: 0.95}),
)
"""Rows are moments, also with accuracies of tasks that have not been learned, as Avalanche measures them."""


def test_average_accuracy_is_that_of_all_tasks_in_the_end() -> None:
    assert average_accuracy(MATRIX) == pytest.approx((0.6 + 0.85 + 0.95) / 3)


def test_forgetting_is_the_fall_since_a_task_was_learned_and_the_newest_has_none() -> None:
    assert forgetting(MATRIX) == pytest.approx({A: 0.3, B: -0.05})


def test_backward_transfer_is_forgetting_with_the_other_sign() -> None:
    assert backward_transfer(MATRIX) == pytest.approx({A: -0.3, B: 0.05})


def test_forward_transfer_is_what_a_task_gains_before_it_is_learned() -> None:
    untrained = {A: 0.1, B: 0.1, C: 0.1}
    assert forward_transfer(MATRIX, untrained) == pytest.approx({B: 0.1, C: 0.2})


def test_intransigence_is_the_loss_against_a_net_of_its_own() -> None:
    alone = {A: 0.9, B: 0.9, C: 0.9}
    assert intransigence(MATRIX, alone) == pytest.approx({A: 0.0, B: 0.1, C: -0.05})
    assert gain_when_learned(MATRIX, alone) == pytest.approx({A: 0.0, B: -0.1, C: 0.05})


def test_a_task_that_is_learned_again_forgets_from_then_on() -> None:
    again = AccuracyMatrix(learned=(*MATRIX.learned, A, C), rows=(*MATRIX.rows, {A: 0.8, C: 1.0}, {A: 0.7}))
    assert forgetting(again) == pytest.approx({A: 0.1})


def test_gains_are_relative_to_the_errors_of_independent_nets() -> None:
    alone, errors = {A: 0.2, B: 0.1, C: 0.0}, {A: 0.1, B: 0.15, C: 0.1}
    assert multi_task_gain(errors, alone) == pytest.approx((0.5 - 0.5) / 2)
    assert multi_task_gain({A: 0.1}, alone) == pytest.approx(0.5)
    assert paper_delta({A: 0.1}, alone) == pytest.approx(-0.5)
    assert paper_delta({A: 0.1, B: 0.3}, alone) == pytest.approx(1.5)
    assert multi_task_gain({}, alone) is None
    assert paper_delta({}, alone) is None


def test_the_matrix_of_a_system_has_a_row_per_task_iteration() -> None:
    backend = MemoryBackend()
    grow(tiny_store(backend), run_of(2))
    state = Store.open(backend).state
    matrix = accuracy_matrix(Store.open(backend).history())
    assert matrix.learned == (A, B, A, B)
    assert [set(row) for row in matrix.rows] == [{A}, {A, B}, {A, B}, {A, B}]
    tested = {task: state.evaluations[best]["test"].accuracy for task, best in state.view.bests.items()}
    assert matrix.last == tested
    assert average_accuracy(AccuracyMatrix(learned=(), rows=())) is None
