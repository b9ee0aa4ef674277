"""The order of the nodes in each row of a layered graph: few lines cross."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

Key = str
Paths = Sequence[Sequence[Key]]
Neighbours = Mapping[Key, Mapping[Key, int]]
"""Of each node, those in the next row below or above, with the number of paths between both."""

Levels = list[list[Key]]

_SWEEPS = 12
_PASSES = 8


def order_rows(paths: Paths, rows: Mapping[Key, int], below: Neighbours, above: Neighbours) -> Levels:
    """Barycentre sweeps, of which the best order is kept, then exchanges of neighbours as long as they help.

    Args:
        paths: Node keys from bottom to top, one in each row that a path crosses.
        rows: Row of every key.
        below, above: The nodes' neighbours.

    Returns:
        The keys of each row from left to right, the lowest row first.
    """
    return _exchanged(_swept(_start(paths, rows), below, above), below, above)


def _start(paths: Paths, rows: Mapping[Key, int]) -> Levels:
    """The first order: paths that share most of their lower nodes stand together."""
    uses = Counter(key for path in paths for key in path)
    rank = {key: i for i, key in enumerate(dict.fromkeys(key for path in paths for key in path))}
    lexical = sorted(paths, key=lambda path: [(-uses[key], rank[key]) for key in path[1:]])
    levels: dict[int, list[Key]] = defaultdict(list)
    for key in dict.fromkeys(key for path in lexical for key in path):
        levels[rows[key]].append(key)
    return [levels[row] for row in sorted(levels)]


def _swept(levels: Levels, below: Neighbours, above: Neighbours) -> Levels:
    best, fewest = levels, crossings(levels, above)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        upward = sweep % 2 == 0
        towards = below if upward else above
        order = list(levels) if upward else levels[::-1]
        for i in range(1, len(order)):
            place = {key: index for index, key in enumerate(order[i - 1])}
            order[i] = _by_barycentre(order[i], towards, place)
        levels = order if upward else order[::-1]
        count = crossings(levels, above)
        if count < fewest:
            best, fewest = levels, count
    return best


def _by_barycentre(keys: list[Key], towards: Neighbours, place: Mapping[Key, float]) -> list[Key]:
    return sorted(keys, key=lambda key: mean_place(towards[key], place, float("inf")))


def mean_place(weights: Mapping[Key, int], place: Mapping[Key, float], otherwise: float) -> float:
    """The barycentre of neighbours; `otherwise` without any."""
    total = sum(weights.values())
    return sum(place[key] * weight for key, weight in weights.items()) / total if total else otherwise


def crossings(levels: Sequence[Sequence[Key]], above: Neighbours) -> int:
    """Pairs of lines that cross, where paths between the same two nodes are one line."""
    total = 0
    for lower, upper in pairwise(levels):
        place = {key: index for index, key in enumerate(upper)}
        seen: list[int] = []
        for key in lower:
            ends = [place[other] for other in above[key]]
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _exchanged(levels: Levels, below: Neighbours, above: Neighbours) -> Levels:
    """Neighbours in a row change places wherever fewer lines cross then (the greedy switch)."""
    levels = [list(keys) for keys in levels]
    place = {key: index for keys in levels for index, key in enumerate(keys)}
    for _ in range(_PASSES):
        if not sum(_exchange(keys, (below, above), place) for keys in levels):
            break
    return levels


def _exchange(keys: list[Key], sides: Sequence[Neighbours], place: dict[Key, int]) -> bool:
    """One pass over a row, from left to right; whether anything was exchanged."""
    ends = {key: [sorted(place[other] for other in side[key]) for side in sides] for key in keys}
    changed = False
    for i in range(len(keys) - 1):
        left, right = keys[i], keys[i + 1]
        if _inverted(ends[left], ends[right]) > _inverted(ends[right], ends[left]):
            keys[i], keys[i + 1] = right, left
            changed = True
    place.update((key, index) for index, key in enumerate(keys))
    return changed


def _inverted(left: Sequence[Sequence[int]], right: Sequence[Sequence[int]]) -> int:
    """Crossings between the lines of two nodes of a row, by the sorted places of their neighbours."""
    return sum(bisect_left(other, end) for own, other in zip(left, right, strict=True) for end in own)
