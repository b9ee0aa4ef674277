"""The picture of the system's metrics over its task iterations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

from taskgrove.domain.records import AddMetrics
from taskgrove.reports.analyses.history import measured
from taskgrove.reports.charts.metrics import draw_metrics
from taskgrove.reports.drawing.figures import png, svg
from taskgrove.testing.systems import synthetic_system


def found(num_tasks: int, iterations: int, experiments: int = 1) -> list[AddMetrics]:
    return measured(synthetic_system(num_tasks, 1, iterations=iterations, experiments=experiments)[1])


def y_of(axes: Axes, line: int = 0) -> list[float]:
    return [float(y) for y in np.asarray(axes.lines[line].get_ydata())]


def names(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(("num_tasks", "iterations", "experiments"), [(1, 1, 1), (4, 2, 1), (10, 2, 5)])
def test_lines_show_the_metrics_in_the_order_of_the_log(
    num_tasks: int, iterations: int, experiments: int
) -> None:
    metrics = found(num_tasks, iterations, experiments)
    assert len(metrics) == num_tasks * iterations * experiments
    accuracy, params, flops = draw_metrics(metrics).axes
    assert y_of(accuracy) == [m.values["mean_test_accuracy"] for m in metrics]
    assert y_of(params, 0) == [m.values["params_per_task"] for m in metrics]
    assert y_of(params, 1) == [m.values["params_per_task_roots_counted"] for m in metrics]
    assert y_of(flops) == [m.values["mean_flops"] for m in metrics]


def test_a_mark_and_a_name_stand_where_another_experiment_begins() -> None:
    axes = draw_metrics(found(4, 1, experiments=3)).axes
    for panel, lines in zip(axes, (1, 2, 1), strict=True):
        marks = [float(np.asarray(line.get_xdata())[0]) for line in panel.lines[lines:]]
        assert marks == [4.5, 8.5]
    assert names(axes[0]) == ["synthetic", "synthetic-2", "synthetic-3"]


def test_segments_of_one_experiment_are_told_apart_by_their_own_names() -> None:
    metrics = found(4, 1, experiments=3)
    starts = {m.experiment: f"long.{m.experiment}" for m in metrics}
    renamed = [replace(m, experiment=starts[m.experiment]) for m in metrics]
    assert names(draw_metrics(renamed).axes[0]) == ["synthetic", "synthetic-2", "synthetic-3"]
    mixed = [replace(m, experiment=m.experiment.replace("long.synthetic-3", "lo.x")) for m in renamed]
    assert names(draw_metrics(mixed).axes[0])[-1] == "lo.x"


def test_names_that_would_overlap_are_left_out_and_long_ones_cut() -> None:
    metrics = found(2, 1, experiments=20)
    assert 1 < len(names(draw_metrics(metrics).axes[0])) < 20
    long = [replace(m, experiment="a-very-long-name-of-an-experiment") for m in metrics]
    assert names(draw_metrics(long).axes[0]) == ["a-very-long-name-…"]


def test_an_experiment_that_goes_on_after_another_is_marked_again() -> None:
    one, two = found(3, 1), found(3, 1)
    other = [replace(m, experiment="other") for m in two]
    assert names(draw_metrics([*one, *other, *one]).axes[0]) == ["synthetic", "other", "synthetic"]


def test_what_was_not_known_leaves_a_gap() -> None:
    metrics = found(2, 2)
    metrics[0] = replace(metrics[0], values={"tasks": 0.0})
    axes = draw_metrics(metrics).axes[0]
    assert [float(x) for x in np.asarray(axes.lines[0].get_xdata())] == [2, 3, 4]


def test_without_metrics_the_picture_says_so() -> None:
    assert "No task iteration has been measured yet." in svg(draw_metrics([])).decode()


def test_the_same_metrics_give_the_same_picture() -> None:
    assert png(draw_metrics(found(2, 2), "x")) == png(draw_metrics(found(2, 2), "x"))
