"""Gain against parameters, guided and at random, and accuracy against the grow coefficient (004, §4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_GUIDED, _RANDOM, _OTHERS = "#0072b2", "#d55e00", ("#009e73", "#cc79a7", "#000000", "#e69f00", "#56b4e9")
_DELTA = re.compile(r"bind and grow, δ = ([0-9.]+)")


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
    for label, color, marker, of in (
        ("random growth", _RANDOM, "x", [r for r in runs if r.variant.startswith("random growth")]),
        ("bind and grow, δ from 0 to 1", _GUIDED, "o", [r for r in runs if _DELTA.fullmatch(r.variant)]),
    ):
        x, y = [r.params / 1e3 for r in of], [100 * r.gain for r in of]
        axes.scatter(x, y, s=22, marker=marker, color=color, label=label, zorder=3)
    axes.axhline(0, color="#999999", linewidth=0.8)
    axes.set_xlabel("distinct parameters of all tasks (thousands)")
    axes.set_ylabel("gain over independent nets (%)")
    axes.grid(color="#eeeeee")


def _deltas(axes: Axes, runs: Sequence[Run]) -> None:
    found: dict[float, list[float]] = {}
    for run in runs:
        if match := _DELTA.fullmatch(run.variant):
            found.setdefault(float(match[1]), []).append(100 * run.accuracy)
    x = sorted(found)
    axes.errorbar(
        x,
        [fmean(found[delta]) for delta in x],
        [pstdev(found[delta]) for delta in x],
        color=_GUIDED,
        marker="o",
        markersize=4,
        capsize=3,
    )
    others = [
        r.variant for r in runs if "bind and grow" not in r.variant and "random growth" not in r.variant
    ]
    for color, name in zip(_OTHERS, dict.fromkeys(others), strict=False):
        mean = fmean(100 * run.accuracy for run in runs if run.variant == name)
        axes.axhline(mean, color=color, linewidth=1.2, linestyle="--", label=name)
    axes.set_xlabel("grow coefficient δ")
    axes.set_ylabel("mean test accuracy (%)")
    axes.grid(color="#eeeeee")
