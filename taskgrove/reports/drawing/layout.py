"""Where the nodes of a layered graph go: rows are known, barycentre sweeps order them (no drawing)."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Key = str
Paths = Sequence[Sequence[Key]]
Neighbours = Mapping[Key, Mapping[Key, int]]

_ORDER_SWEEPS = 12
_PLACE_SWEEPS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A placed graph.

    Attributes:
        x: Centre of every node, in units of the distance between two tasks; at least 0.
        row: Row of every node, 0 at the bottom.
        paths: Every path with a node in each row that it crosses; where it skips a row there is a
            waypoint, a key that the caller did not give.
        waypoints: Those keys.
        width: Of the whole graph, in the same units.
    """

    x: Mapping[Key, float]
    row: Mapping[Key, int]
    paths: tuple[tuple[Key, ...], ...]
    waypoints: frozenset[Key]
    width: float


def arrange(paths: Paths, row: Mapping[Key, int], room: Callable[[int, bool], float]) -> Layout:
    """Place the nodes of paths that climb from row to row and share nodes.

    Subgraphs that share nothing stand side by side. Within one, rows are ordered by barycentre
    sweeps that keep the order with the fewest crossings; then nodes move towards their neighbours as
    far as the order and the room allow. Deterministic; near-linear time.

    Args:
        paths: Node keys from bottom to top; rows must ascend along each.
        row: Row of every key.
        room: Width that a node needs, from the number of paths through it and whether it is a
            waypoint only.
    """
    rows = dict(row)
    routed = [_with_waypoints(path, rows) for path in paths]
    x: dict[Key, float] = {}
    width = 0.0
    for members in _subgraphs(routed):
        placed, extent = _place([routed[i] for i in members], rows, row, room)
        x.update((key, value + width) for key, value in placed.items())
        width += extent
    return Layout(
        x=x, row=rows, paths=tuple(routed), waypoints=frozenset(rows.keys() - row.keys()), width=width
    )


def slot_rows(chains: Sequence[Sequence[str]]) -> list[list[int]]:
    """The row of each entry of each chain: names keep one row, and rows ascend along every chain.

    A name's row is its longest distance from the start of a chain. When chains contradict one another
    on the order of two names, names have no common row and each entry's position is its row.
    """
    names = list(dict.fromkeys(name for chain in chains for name in chain))
    depth = dict.fromkeys(names, 0)
    steps = {pair: None for chain in chains for pair in pairwise(chain)}
    for _ in names:
        late = [(a, b) for a, b in steps if depth[b] <= depth[a]]
        if not late:
            return [[depth[name] for name in chain] for chain in chains]
        for a, b in late:
            depth[b] = max(depth[b], depth[a] + 1)
    return [list(range(len(chain))) for chain in chains]


def _with_waypoints(path: Sequence[Key], rows: dict[Key, int]) -> tuple[Key, ...]:
    routed = list(path[:1])
    for below, above in pairwise(path):
        for level in range(rows[below] + 1, rows[above]):
            waypoint = f"{below}|{above}|{level}"
            rows[waypoint] = level
            routed.append(waypoint)
        routed.append(above)
    return tuple(routed)


def _subgraphs(paths: Paths) -> list[list[int]]:
    """Indices of paths that are connected through shared nodes, in order of their first path."""
    leader = list(range(len(paths)))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    first: dict[Key, int] = {}
    for i, path in enumerate(paths):
        for key in path:
            a, b = sorted((find(i), find(first.setdefault(key, i))))
            leader[b] = a
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(len(paths)):
        groups[find(i)].append(i)
    return list(groups.values())


def _place(
    paths: Paths, rows: Mapping[Key, int], real: Mapping[Key, int], room: Callable[[int, bool], float]
) -> tuple[dict[Key, float], float]:
    """Positions of one connected subgraph, starting at 0, and its width."""
    uses = Counter(key for path in paths for key in path)
    below: dict[Key, dict[Key, int]] = {key: {} for key in uses}
    above: dict[Key, dict[Key, int]] = {key: {} for key in uses}
    for path in paths:
        for a, b in pairwise(path):
            above[a][b] = below[b][a] = above[a].get(b, 0) + 1
    levels = _ordered(_start(paths, rows, uses), below, above)
    half = {key: room(count, key not in real) / 2 for key, count in uses.items()}
    x = _spread(levels, below, above, half, uses)
    left = min(x[key] - half[key] for key in x)
    right = max(x[key] + half[key] for key in x)
    return {key: value - left for key, value in x.items()}, right - left


def _start(paths: Paths, rows: Mapping[Key, int], uses: Mapping[Key, int]) -> list[list[Key]]:
    """The first order: paths that share most of their lower nodes stand together."""
    rank = {key: i for i, key in enumerate(dict.fromkeys(key for path in paths for key in path))}
    lexical = sorted(paths, key=lambda path: [(-uses[key], rank[key]) for key in path[1:]])
    levels: dict[int, list[Key]] = defaultdict(list)
    for key in dict.fromkeys(key for path in lexical for key in path):
        levels[rows[key]].append(key)
    return [levels[row] for row in sorted(levels)]


def _ordered(levels: list[list[Key]], below: Neighbours, above: Neighbours) -> list[list[Key]]:
    best, fewest = levels, _crossings(levels, above)
    for sweep in range(_ORDER_SWEEPS):
        if fewest == 0:
            break
        upward = sweep % 2 == 0
        towards = below if upward else above
        order = list(levels) if upward else levels[::-1]
        for i in range(1, len(order)):
            place = {key: index for index, key in enumerate(order[i - 1])}
            order[i] = _by_barycentre(order[i], towards, place)
        levels = order if upward else order[::-1]
        count = _crossings(levels, above)
        if count < fewest:
            best, fewest = levels, count
    return best


def _by_barycentre(keys: list[Key], towards: Neighbours, place: Mapping[Key, float]) -> list[Key]:
    return sorted(keys, key=lambda key: _mean(towards[key], place, float("inf")))


def _mean(weights: Mapping[Key, int], place: Mapping[Key, float], otherwise: float) -> float:
    total = sum(weights.values())
    return sum(place[key] * weight for key, weight in weights.items()) / total if total else otherwise


def _crossings(levels: list[list[Key]], above: Neighbours) -> int:
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


def _spread(
    levels: list[list[Key]],
    below: Neighbours,
    above: Neighbours,
    half: Mapping[Key, float],
    uses: Mapping[Key, int],
) -> dict[Key, float]:
    """Coordinates for a fixed order: sweeps up, down, and finally towards both sides."""
    x: dict[Key, float] = {}
    for keys in levels:
        x.update(_fit(keys, [0.0] * len(keys), half, uses))
    both = {key: {**below[key], **above[key]} for key in x}
    for sweep in range(2 * _PLACE_SWEEPS):
        order = levels if sweep % 2 == 0 else levels[::-1]
        towards = both if sweep >= _PLACE_SWEEPS else below if sweep % 2 == 0 else above
        for keys in order:
            x.update(_fit(keys, [_mean(towards[key], x, x[key]) for key in keys], half, uses))
    return x


def _fit(
    keys: list[Key], wanted: list[float], half: Mapping[Key, float], uses: Mapping[Key, int]
) -> dict[Key, float]:
    """The positions nearest to the wanted ones (weighted least squares) that keep order and room.

    Subtracting the least distance from the first node turns it into isotonic regression, solved by
    pooling adjacent violators.
    """
    shift, shifts = 0.0, [0.0]
    for a, b in pairwise(keys):
        shift += half[a] + half[b]
        shifts.append(shift)
    pools: list[tuple[float, int, int]] = []
    for key, want, offset in zip(keys, wanted, shifts, strict=True):
        mean, weight, size = want - offset, uses[key], 1
        while pools and pools[-1][0] >= mean:
            other, other_weight, other_size = pools.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight, size = weight + other_weight, size + other_size
        pools.append((mean, weight, size))
    flat = [mean for mean, _, size in pools for _ in range(size)]
    return {key: base + offset for key, base, offset in zip(keys, flat, shifts, strict=True)}
