"""What conflicts decide: tasks by conflict, and the nucleus of layers to grow (004, §3)."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgrove.agents.conflicts import distribution, least_first, nucleus, random_nucleus, task_conflict
from taskgrove.domain.ids import SlotName, TaskName

A, B, C, D = (SlotName(name) for name in "abcd")
CONFLICTS = st.dictionaries(
    st.sampled_from([A, B, C, D]), st.floats(0, 2, allow_subnormal=False), min_size=1, max_size=4
)
DELTAS = st.floats(0, 1)


def test_a_tasks_conflict_is_the_norm_of_its_layers() -> None:
    assert task_conflict({A: 0.3, B: 0.4}) == pytest.approx(0.5)
    assert task_conflict({}) == 0.0


def test_tasks_are_in_the_order_of_their_conflict_and_equals_in_that_of_arrival() -> None:
    one, two, three = (TaskName(name) for name in ("one", "two", "three"))
    assert least_first({one: {A: 0.9}, two: {A: 0.1}, three: {A: 0.1}}) == (two, three, one)


def test_the_distribution_is_each_layers_share() -> None:
    assert distribution({A: 0.2, B: 0.6}) == pytest.approx({A: 0.25, B: 0.75})
    assert distribution({A: 0.0, B: 0.0}) == {A: 0.0, B: 0.0}


@pytest.mark.parametrize(
    ("delta", "grown"),
    [
        (0.0, ""),
        (0.01, "b"),
        (0.5, "b"),
        (0.51, "bd"),
        (0.8, "bd"),
        (0.81, "abd"),
        (0.95, "abd"),
        (1.0, "abcd"),
    ],
)
def test_the_nucleus_takes_the_most_conflicting_layers_first(delta: float, grown: str) -> None:
    assert nucleus({A: 0.2, B: 0.5, C: 0.0, D: 0.3}, delta) == tuple(SlotName(name) for name in grown)


@pytest.mark.parametrize(
    ("delta", "grown"), [(0.0, ""), (0.2, "a"), (0.21, "ad"), (0.5, "ad"), (0.51, "abd"), (1.0, "abcd")]
)
def test_a_thrifty_nucleus_takes_those_first_that_conflict_most_per_parameter(
    delta: float, grown: str
) -> None:
    params = {A: 1, B: 1000, C: 1, D: 10}
    found = nucleus({A: 0.2, B: 0.5, C: 0.0, D: 0.3}, delta, params)
    assert found == tuple(SlotName(name) for name in grown)


def test_of_equal_layers_the_lower_is_grown_first() -> None:
    assert nucleus({B: 0.5, A: 0.5}, 0.5) == (B,)


def test_without_conflicts_nothing_grows_but_at_one() -> None:
    nothing = {A: 0.0, B: 0.0}
    assert nucleus(nothing, 0.99) == ()
    assert nucleus(nothing, 1.0) == (A, B)


@given(CONFLICTS, DELTAS, DELTAS)
def test_a_larger_coefficient_grows_no_less(
    conflicts: dict[SlotName, float], one: float, other: float
) -> None:
    params = {slot: 1 + 7 * number % 5 for number, slot in enumerate(conflicts)}
    for sizes in (None, params):
        small, large = (set(nucleus(conflicts, delta, sizes)) for delta in sorted((one, other)))
        assert small <= large


@given(CONFLICTS, DELTAS)
def test_the_nucleus_reaches_its_share_and_needs_every_layer(
    conflicts: dict[SlotName, float], delta: float
) -> None:
    shares, grown = distribution(conflicts), nucleus(conflicts, delta)
    mass = sum(shares[slot] for slot in grown)
    if any(conflicts.values()):
        assert mass >= delta - 1e-9
    if delta < 1 and grown:
        assert mass - min(shares[slot] for slot in grown) < delta
    assert list(grown) == [slot for slot in conflicts if slot in grown]


def test_random_growth_takes_every_number_of_layers_as_often_and_every_layer_as_often() -> None:
    rng, draws, slots = Random(1), 20_000, (A, B, C)
    drawn = [random_nucleus(slots, rng) for _ in range(draws)]
    numbers = Counter(len(grown) for grown in drawn)
    layers = Counter(slot for grown in drawn for slot in grown)
    spread = 5 * math.sqrt(draws / 4)
    assert all(abs(numbers[size] - draws / 4) < spread for size in range(4))
    assert all(abs(layers[slot] - draws / 2) < spread for slot in slots)
    assert all(list(grown) == [slot for slot in slots if slot in grown] for grown in drawn)
