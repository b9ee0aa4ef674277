"""Where the nodes of a layered graph go: rows are known, barycentre sweeps order them (no drawing)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from taskgrove.reports.drawing.ordering import Key, Neighbours, Paths, mean_place, order_rows

_SWEEPS = 6


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
    routed = [with_waypoints(path, rows) for path in paths]
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


def with_waypoints(path: Sequence[Key], rows: dict[Key, int]) -> tuple[Key, ...]:
    """The path with a waypoint in each row that it skips, whose rows are added to `rows`."""
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
    levels = order_rows(paths, rows, below, above)
    half = {key: room(count, key not in real) / 2 for key, count in uses.items()}
    x = _spread(levels, below, above, half, uses)
    left = min(x[key] - half[key] for key in x)
    right = max(x[key] + half[key] for key in x)
    return {key: value - left for key, value in x.items()}, right - left


def _spread(
    levels: list[list[Key]],
    below: Neighbours,
    above: Neighbours,
    half: Mapping[Key, float],
    weight: Mapping[Key, int],
) -> dict[Key, float]:
    """Coordinates for a fixed order: sweeps up, down, and finally towards both sides."""
    x: dict[Key, float] = {}
    for keys in levels:
        x.update(_fit(keys, [0.0] * len(keys), half, weight))
    both = {key: {**below[key], **above[key]} for key in x}
    for sweep in range(2 * _SWEEPS):
        order = levels if sweep % 2 == 0 else levels[::-1]
        towards = both if sweep >= _SWEEPS else below if sweep % 2 == 0 else above
        for keys in order:
            x.update(_fit(keys, [mean_place(towards[key], x, x[key]) for key in keys], half, weight))
    return x


def _fit(
    keys: list[Key], wanted: list[float], half: Mapping[Key, float], weight: Mapping[Key, int]
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
        mean, heavy, size = want - offset, weight[key], 1
        while pools and pools[-1][0] >= mean:
            other, other_heavy, other_size = pools.pop()
            mean = (mean * heavy + other * other_heavy) / (heavy + other_heavy)
            heavy, size = heavy + other_heavy, size + other_size
        pools.append((mean, heavy, size))
    flat = [mean for mean, _, size in pools for _ in range(size)]
    return {key: base + offset for key, base, offset in zip(keys, flat, shifts, strict=True)}
