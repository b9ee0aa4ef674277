"""Seeds: the same position gives the same seed for ever; other positions give others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgrove.domain.seeds import derive

parts = st.one_of(st.text(max_size=4), st.integers(-300, 300))
paths = st.lists(parts, max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("path", "seed"),
    [
        ((), 8203414616412130826),
        ((0,), 323004822964316904),
        (("0",), 5396522946058089200),
        ((0, "mu2net_plus", "digits", 1, 0, 3, "train"), 1180162171377073354),
        (("µ",), 4685947867081131584),
    ],
)
def test_seeds_never_change(path: tuple[str | int, ...], seed: int) -> None:
    assert derive(*path) == seed


@given(paths, paths)
def test_different_positions_have_different_seeds(
    one: tuple[str | int, ...], two: tuple[str | int, ...]
) -> None:
    assert (derive(*one) == derive(*two)) == (one == two)


@given(paths)
def test_seeds_are_in_the_range_of_every_generator(path: tuple[str | int, ...]) -> None:
    assert 0 <= derive(*path) < 2**63


def test_parts_cannot_flow_into_each_other() -> None:
    paths: list[tuple[str | int, ...]] = [
        ("a", "bc"),
        ("ab", "c"),
        ("abc",),
        ("abc", ""),
        ("", "abc"),
        ("1",),
        (1,),
        ("int:1",),
        (1, 1),
        (11,),
    ]
    assert len({derive(*path) for path in paths}) == len(paths)
