"""Gain against parameters, guided and at random, and accuracy against the grow coefficient (004, §4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

GUIDED = re.compile(r"bind and grow, δ = ([0-9.]+)")
THRIFTY = re.compile(r"thrifty growth, δ = ([0-9.]+)")
RANDOM = "random growth"
_WAYS = (("bind and grow", GUIDED, "#0072b2", "o"), ("thrifty growth", THRIFTY, "#009e73", "s"))
_AT_RANDOM, _OTHERS = "#d55e00", ("#cc79a7", "#000000", "#e69f00", "#56b4e9", "#808080")


class Run(Protocol):
    """What is drawn of a system."""

    @property
    def variant(self) -> str: ...
    @property
    def accuracy(self) -> float: ...
    @property
    def params(self) -> int: ...
    @property
    def gain(self) -> float: ...


def draw(runs: Sequence[Run]) -> Figure:
    """Every system on the left; means and standard deviations over seeds on the right."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _sizes(left, runs)
    _deltas(right, runs)
    handles, labels = right.get_legend_handles_labels()
    points, names = left.get_legend_handles_labels()
    figure.legend(
        [*points, *handles], [*names, *labels], loc="outside lower center", ncols=3, frameon=False, fontsize=8
    )
    return figure


def _sizes(axes: Axes, runs: Sequence[Run]) -> None:
    at_random = [run for run in runs if run.variant.startswith(RANDOM)]
    _points(axes, at_random, RANDOM, _AT_RANDOM, "x")
    for label, way, color, marker in _WAYS:
        if grown := [run for run in runs if way.fullmatch(run.variant)]:
            _points(axes, grown, f"{label}, by δ", color, marker)
    axes.axhline(0, color="#999999", linewidth=0.8)
    axes.set_xlabel("distinct parameters of all tasks (thousands)")
    axes.set_ylabel("gain over independent nets (%)")
    axes.grid(color="#eeeeee")


def _points(axes: Axes, runs: Sequence[Run], label: str, color: str, marker: str) -> None:
    x, y = [run.params / 1e3 for run in runs], [100 * run.gain for run in runs]
    axes.scatter(x, y, s=22, marker=marker, color=color, label=label, zorder=3)


def _deltas(axes: Axes, runs: Sequence[Run]) -> None:
    for _, way, color, marker in _WAYS:
        found: dict[float, list[float]] = {}
        for run in runs:
            if match := way.fullmatch(run.variant):
                found.setdefault(float(match[1]), []).append(100 * run.accuracy)
        x = sorted(found)
        means, spreads = [fmean(found[delta]) for delta in x], [pstdev(found[delta]) for delta in x]
        axes.errorbar(x, means, spreads, color=color, marker=marker, markersize=4, capsize=3)
    grown = ("bind and grow", "thrifty growth", RANDOM)
    others = [run.variant for run in runs if not any(way in run.variant for way in grown)]
    for color, name in zip(_OTHERS, dict.fromkeys(others), strict=False):
        mean = fmean(100 * run.accuracy for run in runs if run.variant == name)
        axes.axhline(mean, color=color, linewidth=1.2, linestyle="--", label=name)
    axes.set_xlabel("grow coefficient δ")
    axes.set_ylabel("mean test accuracy (%)")
    axes.grid(color="#eeeeee")
