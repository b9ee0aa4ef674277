"""The curves of 002, Figure 2: test accuracy by task-set iteration and by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.agents_course import Case, Course
from taskgrove.reports.quantities import plural

_COLORS = ("#404040", "#7fa8d9", "#1f5fa8")


def draw(courses: Mapping[Case, Sequence[Course]]) -> Figure:
    """Means over seeds; bands are standard deviations. On the left, rounds are one curve: they are equal."""
    figure = Figure(figsize=(10, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for color, (case, found) in zip(_COLORS, courses.items(), strict=False):
        workers = "" if case.schedule == "sequential" else f", {plural(case.workers, 'worker')}"
        _curve(right, [fmean(c.times[i] for c in found) for i in _iterations(found)], found)
        right.lines[-1].set(color=color, label=f"{case.schedule}{workers}")
        if case.workers == 1:
            _curve(left, [i + 1.0 for i in _iterations(found)], found)
            left.lines[-1].set(color=color)
    left.set_xlabel("task-set iterations")
    right.set_xlabel("seconds")
    right.set_xlim(left=0)
    left.set_ylabel("mean test accuracy (%)")
    left.xaxis.get_major_locator().set_params(integer=True)
    for axes in (left, right):
        axes.grid(color="#eeeeee")
    figure.legend(handles=right.lines, ncols=len(right.lines), frameon=False, loc="outside lower center")
    return figure


def _iterations(found: Sequence[Course]) -> range:
    return range(len(found[0].accuracies))


def _curve(axes: Axes, x: Sequence[float], found: Sequence[Course]) -> None:
    by_iteration = [[100 * course.accuracies[i] for course in found] for i in _iterations(found)]
    means, spreads = [fmean(y) for y in by_iteration], [pstdev(y) for y in by_iteration]
    axes.plot(x, means, marker="o", markersize=4)
    low = [mean - spread for mean, spread in zip(means, spreads, strict=True)]
    high = [mean + spread for mean, spread in zip(means, spreads, strict=True)]
    axes.fill_between(x, low, high, color="#808080", alpha=0.15, linewidth=0)
