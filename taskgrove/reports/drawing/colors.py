"""One colour per task: distinct for hundreds of tasks, for colour-blind people too, and kept for ever."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.ids import TaskName

ROOT_COLOR = "#b4b4b4"
"""Of components that no task has trained: they still carry the root's parameters."""

Floats = NDArray[np.float64]

_BATCH = 128
_VISIONS = np.array(
    [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    ]
)
"""What linear RGB looks like to most, with protanopia, with deuteranopia (Machado et al., 2009)."""
_WEIGHTS = np.array([[1.0], [2.0], [2.0]])
"""Of distances by vision: colour-blind people see a plane of the space that colours fill for the others, so
with equal weights the third dimension would hardly be used."""


def task_colors(tasks: Iterable[TaskName]) -> dict[TaskName, str]:
    """A colour `#rrggbb` for each task, in order of arrival; later tasks change no colour.

    Colours are picked in turn, each the farthest in OKLab from all earlier ones, from white, black and
    the root's grey, as people see them and as those with protanopia and deuteranopia do: the least of the
    three distances counts. They start to repeat after about four thousand tasks.
    """
    names = list(tasks)
    palette = _palette(-(-len(names) // _BATCH) * _BATCH)
    return {name: palette[i % len(palette)] for i, name in enumerate(names)}


def ink_on(color: str) -> str:
    """Black or white, whichever is readable on a colour `#rrggbb`."""
    linear = _linear(np.array(_parsed(color)))
    return "#000000" if float(linear @ (0.2126, 0.7152, 0.0722)) > 0.19 else "#ffffff"


def least_distances(colors: Sequence[str]) -> tuple[float, ...]:
    """How far the two most alike of some colours are apart, in OKLab, by vision as in `_VISIONS`.

    Args:
        colors: At least two, as `#rrggbb`.
    """
    seen = _seen(np.array([_parsed(color) for color in colors]))
    apart = np.linalg.norm(seen[:, :, None] - seen[:, None], axis=-1)
    pairs = np.triu_indices(len(colors), 1)
    return tuple(float(each[pairs].min()) for each in apart)


@cache
def _palette(size: int) -> tuple[str, ...]:
    srgb = np.stack(np.meshgrid(*[np.linspace(0, 1, 18)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    seen = _seen(srgb)
    light, chroma = seen[0, :, 0], np.hypot(seen[0, :, 1], seen[0, :, 2])
    usable = (light > 0.3) & (light < 0.82) & (chroma > 0.08)
    srgb, seen = srgb[usable], seen[:, usable]
    avoided = _seen(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], _parsed(ROOT_COLOR)]))
    distance = np.min([_distance(seen, avoided[:, [i]]) for i in range(avoided.shape[1])], axis=0)
    picked = []
    for _ in range(min(size, len(srgb))):
        index = int(distance.argmax())
        picked.append(index)
        distance = np.minimum(distance, _distance(seen, seen[:, [index]]))
    return tuple("#" + "".join(f"{round(255 * float(v)):02x}" for v in srgb[i]) for i in picked)


def _distance(seen: Floats, one: Floats) -> Floats:
    """(N,) the least over the visions of the distances from one colour, (3, 1, 3), to all, (3, N, 3)."""
    distance: Floats = (_WEIGHTS * np.linalg.norm(seen - one, axis=-1)).min(axis=0)
    return distance


def _seen(srgb: Floats) -> Floats:
    """(N, 3) sRGB in [0, 1] to (3, N, 3) OKLab as each vision perceives it."""
    linear = _linear(srgb)
    return np.stack([_oklab(np.clip(linear @ vision.T, 0.0, 1.0)) for vision in _VISIONS])


def _parsed(color: str) -> list[float]:
    return [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def _oklab(linear: Floats) -> Floats:
    """(N, 3) linear RGB in [0, 1] to OKLab (Ottosson, 2020)."""
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
    lab: Floats = np.cbrt(linear @ to_lms.T) @ to_lab.T
    return lab


def _linear(srgb: Floats) -> Floats:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
