"""Labels beside the points of a picture, where they hide no point and no other label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

_LABEL, _POINT = np.array((7.0, 6.0)), np.array((5.0, 5.0))
"""Half the width and height of a label and of a marker, in points of the screen."""
_REACHES = (16.0, 21.0, 27.0, 34.0, 42.0)
_ANGLES = np.deg2rad([45, 135, 315, 225, 0, 90, 270, 180])
"""Beside the whiskers rather than on them."""

Floats = NDArray[np.float64]
Place = tuple[float, float]


def put_labels(
    axes: Axes,
    labelled: Sequence[tuple[str, Place, str]],
    others: Sequence[Place] = (),
) -> None:
    """Put short labels beside points.

    Args:
        axes: Settled: what is drawn later must not change their limits.
        labelled: Text, point in the units of the axes, and colour of the line between both.
        others: Points without labels, which are not to be hidden either.
    """
    points = [place for _, place, _ in labelled]
    if not points:
        return
    at: Floats = axes.transData.transform(np.array([*points, *others])) * 72.0 / axes.figure.dpi
    taken = [np.concatenate((place, _POINT)) for place in at]
    for (text, point, color), place in zip(labelled, at[: len(points)], strict=True):
        offset = _offset(place, taken)
        taken.append(np.concatenate((place + offset, _LABEL)))
        label = axes.annotate(
            text,
            point,
            xytext=(offset[0], offset[1]),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            color="#202020",
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.6, "shrinkA": 4, "shrinkB": 4},
        )
        label.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _offset(place: Floats, taken: Sequence[Floats]) -> Floats:
    """The nearest free place around a point; when there is none, the one least crowded."""
    candidates = [r * np.array([np.cos(a), np.sin(a)]) for r in _REACHES for a in _ANGLES]
    boxes = np.array(taken)

    def room(offset: Floats) -> float:
        gaps = np.abs(boxes[:, :2] - (place + offset)) / (boxes[:, 2:] + _LABEL)
        return float(gaps.max(axis=1).min())

    free = (offset for offset in candidates if room(offset) >= 1.0)
    return next(free, max(candidates, key=room))
