"""Search spaces: neighbour moves always move and stay inside; unknown names and bad defaults are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.hparams import Choice, HparamValue, Space
from taskgrove.mutations.mu import MU, MU2NET_MU
from taskgrove.tasks.preprocess import MU2NET_PLUS_PREPROCESS, MUNET_PREPROCESS
from taskgrove.testing.layouts import SPACE
from taskgrove.trainer.optim import MU2NET_OPTIMIZER, MU2NET_PLUS_OPTIMIZER, MUNET_OPTIMIZER

REAL = [
    choice
    for space in (
        MU2NET_PLUS_OPTIMIZER | MU2NET_PLUS_PREPROCESS | Space((MU,)),
        MU2NET_OPTIMIZER | Space((MU2NET_MU,)),
        MUNET_OPTIMIZER | MUNET_PREPROCESS,
    )
    for choice in space
]
SEARCHED = [choice for choice in (*REAL, *SPACE) if len(choice.values) > 1]
LR = Choice(name="opt.lr", values=(0.001, 0.01, 0.1), default=0.01)
FLIP = Choice(name="data.flip", values=(False, True), default=False)
SHAPE = Choice(name="opt.shape", values=("a", "b", "c"), default="b", ordered=False)


@pytest.mark.parametrize("choice", SEARCHED, ids=lambda choice: str(choice.name))
def test_a_move_always_moves_and_stays_in_the_space(choice: Choice) -> None:
    for value in choice.values:
        moves = choice.neighbours(value)
        assert moves
        assert value not in moves
        assert set(moves) <= set(choice.values)
        assert len(set(moves)) == len(moves)


@pytest.mark.parametrize("choice", [c for c in SEARCHED if c.ordered], ids=lambda c: str(c.name))
def test_an_ordered_value_moves_to_the_values_next_to_it(choice: Choice) -> None:
    values = choice.values
    assert choice.neighbours(values[0]) == values[1:2]
    assert choice.neighbours(values[-1]) == values[-2:-1]
    for i in range(1, len(values) - 1):
        assert choice.neighbours(values[i]) == (values[i - 1], values[i + 1])


@pytest.mark.parametrize("choice", [c for c in SEARCHED if c.ordered], ids=lambda c: str(c.name))
def test_the_values_of_the_real_space_ascend(choice: Choice) -> None:
    assert [*choice.values] == sorted(choice.values)


def test_every_value_can_be_reached_from_every_other() -> None:
    for choice in REAL:
        reached: set[HparamValue] = {choice.default}
        for _ in choice.values:
            reached |= {move for value in reached for move in choice.neighbours(value)}
        assert reached == set(choice.values), choice.name


@pytest.mark.parametrize("ordered", [True, False])
def test_a_boolean_flips(ordered: bool) -> None:
    choice = Choice(name="data.flip", values=(False, True), default=False, ordered=ordered)
    assert choice.neighbours(False) == (True,)
    assert choice.neighbours(True) == (False,)


def test_an_unordered_value_moves_to_any_other() -> None:
    assert [SHAPE.neighbours(value) for value in "abc"] == [("b", "c"), ("a", "c"), ("a", "b")]


@given(st.floats(-1e3, 1e3, allow_nan=False).filter(lambda value: value not in LR.values))
def test_a_number_outside_the_space_moves_to_the_nearest_value(value: float) -> None:
    (move,) = LR.neighbours(value)
    assert abs(float(move) - value) == min(abs(float(v) - value) for v in LR.values)


def test_a_text_outside_the_space_moves_into_it() -> None:
    ordered = Choice(name="opt.shape", values=("a", "b", "c"), default="b")
    assert ordered.neighbours("z") == ("b",)
    assert SHAPE.neighbours("z") == ("a", "b", "c")


def test_a_single_value_has_no_neighbours() -> None:
    for ordered in (True, False):
        assert Choice(name="n", values=(1,), default=1, ordered=ordered).neighbours(1) == ()


@pytest.mark.parametrize("values", [(), (1, 1), ("a", "b", "a")])
def test_values_must_be_distinct_and_not_empty(values: tuple[HparamValue, ...]) -> None:
    with pytest.raises(BadValueError, match=r"opt\.x: values must be distinct and not empty"):
        Choice(name="opt.x", values=values, default=1)


def test_a_default_must_be_among_the_values() -> None:
    with pytest.raises(BadValueError, match=r"opt\.x: the default 3 is not among"):
        Choice(name="opt.x", values=(1, 2), default=3)


def test_a_space_is_in_order_of_name_however_it_was_written() -> None:
    assert Space((SHAPE, LR, FLIP)) == Space((FLIP, LR, SHAPE)) == Space((LR,)) | Space((SHAPE, FLIP))
    assert [choice.name for choice in Space((SHAPE, LR, FLIP))] == ["data.flip", "opt.lr", "opt.shape"]


def test_a_space_names_each_hyperparameter_once() -> None:
    with pytest.raises(BadValueError, match="once"):
        Space((LR, LR))
    with pytest.raises(BadValueError, match="once"):
        Space((LR,)) | Space((LR,))


def test_a_space_gives_choices_by_name_and_refuses_unknown_ones() -> None:
    space = Space((LR, FLIP))
    assert space["opt.lr"] is LR
    assert "opt.lr" in space
    assert "opt.rl" not in space
    with pytest.raises(UnknownNameError, match=r"no hyperparameter named 'opt\.rl'.*Did you mean 'opt\.lr'"):
        space["opt.rl"]


def test_other_defaults_change_nothing_but_the_defaults() -> None:
    space = Space((LR, SHAPE)).with_defaults({"opt.lr": 0.1})
    assert space.defaults() == {"opt.lr": 0.1, "opt.shape": "b"}
    assert [(c.values, c.ordered) for c in space] == [(LR.values, True), (SHAPE.values, False)]


def test_other_defaults_must_be_known_and_in_the_space() -> None:
    space = Space((LR,))
    with pytest.raises(
        BadValueError, match=r"opt\.lr = 0\.5 is not in its search space \[0\.001, 0\.01, 0\.1\]"
    ):
        space.with_defaults({"opt.lr": 0.5})
    with pytest.raises(UnknownNameError, match=r"opt\.momentum"):
        space.with_defaults({"opt.momentum": 0.9})


WIDE = Space((LR, FLIP, SHAPE, Choice(name="data.side", values=(8, 16, 32), default=16)))


def typed(space: Space, name: str) -> list[tuple[type, HparamValue]]:
    """Values with their types, since 1 == 1.0 == True."""
    return [(type(value), value) for value in space[name].values]


def test_other_values_replace_those_of_one_hyperparameter_alone() -> None:
    space = WIDE.with_values({"opt.lr": (0.01, 0.05)})
    assert space["opt.lr"] == Choice(name="opt.lr", values=(0.01, 0.05), default=0.01)
    assert [c for c in space if c.name != "opt.lr"] == [c for c in WIDE if c.name != "opt.lr"]
    assert WIDE.with_values({}) == WIDE


def test_other_values_are_in_ascending_order_however_they_were_written() -> None:
    space = WIDE.with_values({"opt.lr": (0.5, 0.01, 0.2), "data.side": (48, 8, 16)})
    assert space["opt.lr"].values == (0.01, 0.2, 0.5)
    assert space["opt.lr"].neighbours(0.2) == (0.01, 0.5)
    assert space["data.side"].values == (8, 16, 48)


def test_other_values_that_have_no_order_stay_as_they_were_written() -> None:
    assert WIDE.with_values({"opt.shape": ("c", "a")})["opt.shape"].values == ("c", "a")


def test_other_values_have_the_type_of_the_hyperparameter() -> None:
    space = WIDE.with_values({"opt.lr": (1, 0.5), "data.side": (64.0, 16), "data.flip": (True,)})
    assert typed(space, "opt.lr") == [(float, 0.5), (float, 1.0)]
    assert typed(space, "data.side") == [(int, 16), (int, 64)]
    assert typed(space, "data.flip") == [(bool, True)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("opt.lr", True),
        ("opt.lr", "0.1"),
        ("data.side", False),
        ("data.side", "16"),
        ("data.flip", 1),
        ("data.flip", 0.0),
        ("data.flip", "true"),
        ("opt.shape", 1),
        ("opt.shape", True),
    ],
)
def test_other_values_of_another_type_are_refused(name: str, value: HparamValue) -> None:
    with pytest.raises(BadValueError, match=f"{name} cannot be {value!r}: its values are like"):
        WIDE.with_values({name: (WIDE[name].default, value)})


def test_other_values_without_an_order_must_be_known() -> None:
    with pytest.raises(BadValueError, match=r"opt\.shape = 'd' is not one of \['a', 'b', 'c'\]"):
        WIDE.with_values({"opt.shape": ("a", "d")})


def test_other_values_must_be_of_a_known_hyperparameter_distinct_and_not_empty() -> None:
    with pytest.raises(UnknownNameError, match=r"no hyperparameter named 'opt\.rl'"):
        WIDE.with_values({"opt.rl": (0.1,)})
    with pytest.raises(BadValueError, match=r"opt\.lr needs at least one value; known are \[0\.001"):
        WIDE.with_values({"opt.lr": ()})
    with pytest.raises(BadValueError, match="distinct"):
        WIDE.with_values({"opt.lr": (1, 1.0)})


@pytest.mark.parametrize(
    ("values", "default"),
    [((0.02, 0.5), 0.02), ((0.0001, 0.001, 0.5), 0.001), ((0.0001, 0.012), 0.012), ((0.001,), 0.001)],
)
def test_a_default_that_is_no_longer_among_the_values_becomes_the_nearest(
    values: tuple[float, ...], default: float
) -> None:
    assert WIDE.with_values({"opt.lr": values})["opt.lr"].default == default


@given(st.lists(st.floats(0.0, 0.02), min_size=1, max_size=5, unique=True))
def test_other_values_keep_a_space_in_which_every_move_moves(values: list[float]) -> None:
    choice = WIDE.with_values({"opt.lr": tuple(values)})["opt.lr"]
    assert choice.values == tuple(sorted(values))
    distance = abs(float(choice.default) - 0.01)
    assert distance == min(abs(value - 0.01) for value in values)
    for value in choice.values:
        moves = choice.neighbours(value)
        assert value not in moves
        assert bool(moves) == (len(values) > 1)


def test_a_default_without_an_order_becomes_one_of_the_values() -> None:
    assert WIDE.with_values({"opt.shape": ("c", "a")})["opt.shape"].default == "c"
    assert WIDE.with_values({"opt.shape": ("c", "b")})["opt.shape"].default == "b"
    assert WIDE.with_values({"data.flip": (True,)})["data.flip"].default is True


@pytest.mark.parametrize(("name", "value"), [("opt.lr", 0.3), ("data.flip", True), ("opt.shape", "c")])
def test_a_single_other_value_is_what_every_child_has(name: str, value: HparamValue) -> None:
    choice = WIDE.with_values({name: (value,)})[name]
    assert (choice.values, choice.default, choice.neighbours(value)) == ((value,), value, ())


def test_a_parent_from_a_wider_space_moves_to_the_single_value() -> None:
    assert WIDE.with_values({"opt.lr": (0.3,)})["opt.lr"].neighbours(0.01) == (0.3,)


def test_learned_probabilities_are_the_multiples_of_2_per_cent_up_to_30() -> None:
    assert MU.values == tuple(i / 50 for i in range(1, 16))
    assert MU.default == 0.2
