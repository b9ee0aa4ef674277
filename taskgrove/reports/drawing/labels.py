"""Labels beside the points of a picture, where they hide no point and no other label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

_LABEL, _POINT = np.array((7.0, 6.0)), np.array((5.0, 5.0))
"""Half the width and height of a short label and of a marker, in points of the screen."""
_CHARACTER = 2.4
"""Half the width of a character of longer ones."""
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
    to_points = 72.0 / axes.figure.dpi
    at: Floats = axes.transData.transform(np.array([*points, *others])) * to_points
    frame: Floats = axes.get_window_extent().get_points() * to_points
    taken = [np.concatenate((place, _POINT)) for place in at]
    for (text, point, color), place in zip(labelled, at[: len(points)], strict=True):
        half = np.maximum(_LABEL, (_CHARACTER * len(text), 0.0))
        offset = _offset(place, half, taken, frame)
        taken.append(np.concatenate((place + offset, half)))
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


def _offset(place: Floats, half: Floats, taken: Sequence[Floats], frame: Floats) -> Floats:
    """The nearest free place around a point within the frame; when there is none, the one least crowded."""
    wider = half - _LABEL
    directions = [np.array([np.cos(a), np.sin(a)]) for a in _ANGLES]
    candidates = [r * towards + wider * np.sign(towards.round(6)) for r in _REACHES for towards in directions]
    boxes = np.array(taken)

    def room(offset: Floats) -> float:
        centre = place + offset
        gaps = np.abs(boxes[:, :2] - centre) / (boxes[:, 2:] + half)
        beyond = np.maximum(frame[0] + half - centre, centre + half - frame[1]).max()
        return float(gaps.max(axis=1).min() - max(beyond, 0.0))

    rooms = [room(offset) for offset in candidates]
    free = (offset for offset, own in zip(candidates, rooms, strict=True) if own >= 1.0)
    return next(free, candidates[int(np.argmax(rooms))])
