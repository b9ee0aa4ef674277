"""Places for a layered graph that changes: what is in several of its states does not move between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise
from statistics import fmean

from taskgrove.reports.drawing.layout import Layout, with_waypoints
from taskgrove.reports.drawing.ordering import Key, Paths

_STEP, _ROOM = 0.5, 0.9
"""Between places that are tried, and between nodes, in units of the distance between two tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stay:
    """A node from the first to the last state that has it."""

    x: float
    first: int
    last: int

    def meets(self, other: _Stay) -> bool:
        """Whether both are there at once, and too close."""
        at_once = self.first <= other.last and other.first <= self.last
        return at_once and abs(self.x - other.x) < _ROOM


def steady(earlier: Sequence[Paths], final: Layout, row: Mapping[Key, int]) -> tuple[Layout, ...]:
    """The layouts of a graph that grows: those of its earlier states, then the final one as it is.

    A node that the final state has is in its place from the start. One that it lacks stands where the paths
    through it finally cross its row, or next to there where others are at the same time, and stays there.
    Paths are known by their lowest node.

    Args:
        earlier: Node keys of every path of each earlier state, from bottom to top.
        final: Of the last state.
        row: Of every key of any state.
    """
    lives = _lives([*earlier, final.paths])
    lanes = {path[0]: {final.row[key]: final.x[key] for key in path} for path in final.paths}
    wanted = _wanted(earlier, lanes, row, final.width / 2)
    placed: dict[int, list[_Stay]] = defaultdict(list)
    for key, x in final.x.items():
        if key not in final.waypoints:
            placed[final.row[key]].append(_Stay(x=x, first=lives[key][0], last=lives[key][1]))
    places = dict(final.x)
    for key in sorted(wanted.keys() - places.keys(), key=lambda key: (lives[key], key)):
        stay = _free(_Stay(x=wanted[key], first=lives[key][0], last=lives[key][1]), placed[row[key]])
        placed[row[key]].append(stay)
        places[key] = stay.x
    width = max((final.width, *(x + _STEP for x in places.values())))
    return (*(_layout(paths, places, row, width) for paths in earlier), replace(final, width=width))


def _lives(states: Sequence[Paths]) -> dict[Key, tuple[int, int]]:
    """The first and the last state of every node."""
    lives: dict[Key, tuple[int, int]] = {}
    for number, paths in enumerate(states):
        for key in (key for path in paths for key in path):
            lives[key] = (lives[key][0] if key in lives else number, number)
    return lives


def _wanted(
    states: Sequence[Paths],
    lanes: Mapping[Key, Mapping[int, float]],
    row: Mapping[Key, int],
    otherwise: float,
) -> dict[Key, float]:
    """Where the paths through a node are finally, on average."""
    found: dict[Key, dict[Key, float]] = defaultdict(dict)
    for path in (path for paths in states for path in paths):
        lane = lanes.get(path[0], {})
        for key in path:
            found[key][path[0]] = lane.get(row[key], lane.get(0, otherwise))
    return {key: fmean(places.values()) for key, places in found.items()}


def _free(stay: _Stay, others: Sequence[_Stay]) -> _Stay:
    """The nearest place where nobody else is meanwhile."""
    tried = (replace(stay, x=stay.x + away) for away in _away() if stay.x + away >= _STEP)
    return next(one for one in tried if not any(one.meets(other) for other in others))


def _away() -> Iterator[float]:
    yield 0.0
    for number in count(1):
        yield number * _STEP
        yield -number * _STEP


def _layout(paths: Paths, places: Mapping[Key, float], row: Mapping[Key, int], width: float) -> Layout:
    """Of one state; where a path skips rows it goes straight on."""
    rows = {key: row[key] for path in paths for key in path}
    x = {key: places[key] for key in rows}
    routed = tuple(with_waypoints(path, rows) for path in paths)
    waypoints = frozenset(rows.keys() - x.keys())
    for path in routed:
        given = [index for index, key in enumerate(path) if key not in waypoints]
        for below, above in pairwise(given):
            step = (x[path[above]] - x[path[below]]) / (above - below)
            x.update((path[i], x[path[below]] + (i - below) * step) for i in range(below + 1, above))
    return Layout(x=x, row=rows, paths=routed, waypoints=waypoints, width=width)
