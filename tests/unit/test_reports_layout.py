"""Where the nodes of a layered graph go, and that they stay there while it grows."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from taskgrove.reports.drawing.circle import order_around
from taskgrove.reports.drawing.layout import arrange, slot_rows
from taskgrove.reports.drawing.ordering import Key, Neighbours, crossings, order_rows
from taskgrove.reports.drawing.steady import steady


def alike(_count: int, _waypoint: bool) -> float:
    """Every node needs the same room."""
    return 1.0


def rows_of(paths: Sequence[Sequence[Key]]) -> dict[Key, int]:
    """The row of each key: its place in its path."""
    return {key: row for path in paths for row, key in enumerate(path)}


def random_paths(num_paths: int, length: int, seed: int) -> list[list[Key]]:
    """Each shares most nodes with an earlier one."""
    rng = Random(seed)
    paths: list[list[Key]] = []
    for i in range(num_paths):
        base = paths[rng.randrange(len(paths))] if paths else [""] * length
        inner = [base[r] if base[r] and rng.random() < 0.8 else f"{r}.{i}" for r in range(1, length)]
        paths.append([f"t{i}", *inner, f"h{i}"])
    return paths


def neighbours_of(paths: Sequence[Sequence[Key]]) -> tuple[Neighbours, Neighbours]:
    """Below and above."""
    below: dict[Key, dict[Key, int]] = defaultdict(dict)
    above: dict[Key, dict[Key, int]] = defaultdict(dict)
    for a, b in (step for path in paths for step in pairwise(path)):
        above[a][b] = below[b][a] = above[a].get(b, 0) + 1
    return below, above


def test_subgraphs_that_share_nothing_do_not_overlap() -> None:
    paths = [["a", "x", "c"], ["b", "x", "d"], ["e", "y", "f"]]
    rows = {key: i for path in paths for i, key in enumerate(path)}
    placed = arrange(paths, rows, lambda _count, _waypoint: 1.0)
    left = [placed.x[key] for path in paths[:2] for key in path]
    right = [placed.x[key] for key in paths[2]]
    assert max(left) < min(right)
    assert placed.x["x"] == pytest.approx((placed.x["a"] + placed.x["b"]) / 2)


def test_crossings_are_removed_where_possible() -> None:
    paths = [
        ["a", "x", "k"],
        ["b", "y", "l"],
        ["c", "x", "m"],
        ["d", "y", "m2"],
        ["e", "x", "n"],
        ["f", "z", "l2"],
    ]
    paths.append(["g", "z", "k"])
    rows = {key: i for path in paths for i, key in enumerate(path)}
    x = arrange(paths, rows, lambda _count, _waypoint: 1.0).x
    lines = [(x[path[0]], x[path[1]]) for path in paths]
    assert all((a[0] - b[0]) * (a[1] - b[1]) >= 0 for a in lines for b in lines)


def test_a_path_that_skips_a_row_gets_a_waypoint_with_its_own_room() -> None:
    rows = {"a": 0, "b": 0, "p": 1, "x": 2}
    placed = arrange([["a", "p", "x"], ["b", "x"]], rows, lambda _count, _waypoint: 1.0)
    (waypoint,) = placed.waypoints
    assert placed.row[waypoint] == 1
    assert abs(placed.x[waypoint] - placed.x["p"]) >= 1.0


def test_a_thousand_tasks_are_placed_within_seconds() -> None:
    rng = Random(0)
    paths: list[list[str]] = []
    for i in range(1000):
        base = paths[rng.randrange(len(paths))] if paths else [""] * 12
        inner = [base[r] if base[r] and rng.random() < 0.8 else f"{r}.{i}" for r in range(1, 12)]
        paths.append([f"t{i}", *inner, f"h{i}"])
    rows = {key: r for path in paths for r, key in enumerate(path)}
    start = time.perf_counter()
    arrange(paths, rows, lambda _count, _waypoint: 1.0)
    assert time.perf_counter() - start < 5


def test_slots_that_only_some_models_have_get_rows_between() -> None:
    assert slot_rows([["a", "b", "d"], ["a", "b", "c", "d"], ["a", "d"]]) == [[0, 1, 3], [0, 1, 2, 3], [0, 3]]


def test_contradicting_orders_of_slots_fall_back_to_positions() -> None:
    assert slot_rows([["a", "b"], ["b", "a"]]) == [[0, 1], [0, 1]]


def test_crossings_are_counted_by_hand() -> None:
    _, above = neighbours_of([["a", "z"], ["b", "y"], ["c", "y"], ["c", "x"], ["c", "x"]])
    above = defaultdict(dict, above)
    # a-z crosses b-y, c-y and c-x; b-y crosses c-x; the two paths from c to x are one line.
    assert crossings([["a", "b", "c"], ["x", "y", "z"]], above) == 4
    assert crossings([["a", "b", "c"], ["z", "y", "x"]], above) == 0


def test_far_fewer_lines_cross_than_in_a_random_order() -> None:
    paths = random_paths(60, 10, 0)
    below, above = ({key: side.get(key, {}) for key in rows_of(paths)} for side in neighbours_of(paths))
    ordered = order_rows(paths, rows_of(paths), below, above)
    shuffled = [Random(row).sample(keys, len(keys)) for row, keys in enumerate(ordered)]
    assert [sorted(keys) for keys in ordered] == [sorted(keys) for keys in shuffled]
    assert crossings(ordered, above) < 0.1 * crossings(shuffled, above)


def test_a_node_that_stays_does_not_move_and_one_that_goes_stands_in_its_lane() -> None:
    first, then = [["a", "x", "p"]], [["a", "y", "p"], ["b", "y", "q"]]
    rows = rows_of([*first, *then])
    before, after = steady([first], arrange(then, rows, alike), rows)
    assert {key: before.x[key] for key in ("a", "p")} == {key: after.x[key] for key in ("a", "p")}
    assert before.x["x"] == pytest.approx(after.x["y"])
    assert before.width == after.width


def test_nodes_that_are_there_at_once_never_meet_while_the_graph_grows() -> None:
    paths = random_paths(12, 6, 1)
    other = random_paths(12, 6, 2)
    states = [other[:4], other[:9], [*paths[:3], *other[3:]], paths]
    rows = {key: row for paths in states for key, row in rows_of(paths).items()}
    layouts = steady(states[:-1], arrange(states[-1], rows, alike), rows)
    assert len(layouts) == 4
    places: dict[Key, set[float]] = defaultdict(set)
    for layout in layouts:
        in_row: dict[int, list[float]] = defaultdict(list)
        for key in layout.x.keys() - layout.waypoints:
            places[key].add(layout.x[key])
            in_row[layout.row[key]].append(layout.x[key])
        for xs in in_row.values():
            assert all(b - a > 0.89 for a, b in pairwise(sorted(xs)))
            assert min(xs) > 0
            assert max(xs) < layout.width
    assert all(len(each) == 1 for each in places.values())


def test_an_earlier_path_goes_straight_through_rows_that_it_skips() -> None:
    rows = {"a": 0, "x": 1, "p": 2}
    before, _ = steady([[["a", "p"]]], arrange([["a", "x", "p"]], rows, alike), rows)
    (waypoint,) = before.waypoints
    assert before.paths == (("a", waypoint, "p"),)
    assert before.x[waypoint] == pytest.approx((before.x["a"] + before.x["p"]) / 2)


def test_tied_nodes_stand_together_around_a_circle() -> None:
    ties = np.zeros((6, 6))
    ties[0, 3] = ties[5, 3] = ties[1, 2] = ties[2, 4] = 1.0
    assert order_around(ties) == [0, 3, 5, 1, 2, 4]
    assert order_around(np.zeros((3, 3))) == [0, 1, 2]
    assert order_around(np.zeros((0, 0))) == []
