"""One colour per task: distinct for hundreds of tasks, and a task keeps its colour for ever."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.ids import TaskName

ROOT_COLOR = "#b4b4b4"
"""Of components that no task has trained: they still carry the root's parameters."""

Floats = NDArray[np.float64]

_BATCH = 128


def task_colors(tasks: Iterable[TaskName]) -> dict[TaskName, str]:
    """A colour `#rrggbb` for each task, in order of arrival; later tasks change no colour.

    Colours are picked in turn, each the farthest in OKLab from all earlier ones, from white and from
    the root's grey. They start to repeat after about two thousand tasks.
    """
    names = list(tasks)
    palette = _palette(-(-len(names) // _BATCH) * _BATCH)
    return {name: palette[i % len(palette)] for i, name in enumerate(names)}


def ink_on(color: str) -> str:
    """Black or white, whichever is readable on a colour `#rrggbb`."""
    linear = _linear(np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]))
    return "#000000" if float(linear @ (0.2126, 0.7152, 0.0722)) > 0.19 else "#ffffff"


@cache
def _palette(size: int) -> tuple[str, ...]:
    srgb = np.stack(np.meshgrid(*[np.linspace(0, 1, 18)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _oklab(srgb)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] > 0.38) & (lab[:, 0] < 0.84) & (chroma > 0.08)
    srgb, lab = srgb[usable], lab[usable]
    avoided = _oklab(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [0.7, 0.7, 0.7]]))
    distance = np.linalg.norm(lab[:, None] - avoided[None], axis=-1).min(axis=1)
    picked = []
    for _ in range(min(size, len(lab))):
        index = int(distance.argmax())
        picked.append(index)
        distance = np.minimum(distance, np.linalg.norm(lab - lab[index], axis=-1))
    return tuple("#" + "".join(f"{round(255 * float(v)):02x}" for v in srgb[i]) for i in picked)


def _oklab(srgb: Floats) -> Floats:
    """(N, 3) sRGB in [0, 1] to OKLab (Ottosson, 2020)."""
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    lab: Floats = np.cbrt(_linear(srgb) @ to_lms.T) @ to_lab.T
    return lab


def _linear(srgb: Floats) -> Floats:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
