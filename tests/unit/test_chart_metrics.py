"""Metrics over segments: the tasks of the first experiment beside all tasks (µ2Net+, Figure 3)."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Commit, Retire
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.metrics import FIRST_TASKS, first_tasks, system_metrics
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.charts.metrics import MetricsChart
from taskgrove.testing.systems import synthetic_system
from tests.unit.handmade_runs import history, measured, started


def two_segments() -> tuple[Commit, ...]:
    """Two tasks; then one of them improves, a third arrives, and the other changes."""
    return history(
        started("x.1", "a", "b"),
        *measured("x.1", "a", 0.6, 0.6),
        *measured("x.1", "b", 0.8, 0.7),
        started("x.2", "a", "b", "c"),
        *measured("x.2", "a", 0.7, 0.75),
        *measured("x.2", "c", 0.3, 0.6),
        *measured("x.2", "b", 0.9, 1.9 / 3),
    )


def y_of(axes: Axes, line: int) -> list[float]:
    return [float(y) for y in np.asarray(axes.lines[line].get_ydata())]


def test_the_mean_over_the_first_tasks_ignores_those_that_came_later() -> None:
    found = [one.values[FIRST_TASKS] for one in system_metrics(two_segments())]
    assert found == pytest.approx([0.6, 0.7, 0.75, 0.75, 0.8])
    assert first_tasks(two_segments()) == ("a", "b")


def test_a_task_that_has_left_does_not_count() -> None:
    later = history(
        *(c.operation for c in two_segments()), Retire(task=TaskName("a")), *measured("x.3", "c", 0.4, 0.65)
    )
    assert system_metrics(later)[-1].values[FIRST_TASKS] == pytest.approx(0.9)


def test_both_lines_are_drawn_and_segments_are_marked() -> None:
    figure = MetricsChart().draw([Run(view=SystemView(), history=two_segments())])
    accuracy = figure.axes[0]
    assert y_of(accuracy, 0) == pytest.approx([0.6, 0.7, 0.75, 0.6, 1.9 / 3])
    assert y_of(accuracy, 1) == pytest.approx([0.6, 0.7, 0.75, 0.75, 0.8])
    assert float(np.asarray(accuracy.lines[2].get_xdata())[0]) == 2.5
    legend = accuracy.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "all tasks with a model",
        "tasks of the first experiment",
    ]


def test_without_later_tasks_both_means_agree_and_one_line_is_enough() -> None:
    _, commits, _ = synthetic_system(3, 2, experiments=2)
    for one in system_metrics(commits):
        assert one.values[FIRST_TASKS] == one.values["mean_test_accuracy"]
    accuracy = MetricsChart().draw([Run(view=SystemView(), history=commits)]).axes[0]
    assert accuracy.get_legend() is None
    assert len(accuracy.lines) == 2  # the metric and the mark between the experiments


def test_the_table_has_both_means() -> None:
    table = MetricsChart().tabulate([Run(view=SystemView(), history=two_segments())])
    fourth = {row[4]: row[5] for row in table.rows if row[:4] == (4, "x.2", "c", 0)}
    assert fourth == {"mean_test_accuracy": 0.6, FIRST_TASKS: pytest.approx(0.75)}


def test_before_the_first_measurement_there_is_nothing_to_add() -> None:
    assert first_tasks(()) == ()
    assert system_metrics(history(started("x", "a"))) == []
