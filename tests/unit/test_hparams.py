"""Search spaces: neighbour moves always move and stay inside; unknown names and bad defaults are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.hparams import Choice, HparamValue, Space
from taskgrove.mutations.mu import MU
from taskgrove.tasks.preprocess import PREPROCESS_SPACE
from taskgrove.testing.layouts import SPACE
from taskgrove.trainer.optim import OPTIMIZER_SPACE

REAL = OPTIMIZER_SPACE | PREPROCESS_SPACE | Space((MU,))
LR = Choice(name="opt.lr", values=(0.001, 0.01, 0.1), default=0.01)
FLIP = Choice(name="data.flip", values=(False, True), default=False)
SHAPE = Choice(name="opt.shape", values=("a", "b", "c"), default="b", ordered=False)


@pytest.mark.parametrize("choice", [*REAL, *SPACE], ids=lambda choice: str(choice.name))
def test_a_move_always_moves_and_stays_in_the_space(choice: Choice) -> None:
    for value in choice.values:
        moves = choice.neighbours(value)
        assert moves
        assert value not in moves
        assert set(moves) <= set(choice.values)
        assert len(set(moves)) == len(moves)


@pytest.mark.parametrize("choice", [c for c in [*REAL, *SPACE] if c.ordered], ids=lambda c: str(c.name))
def test_an_ordered_value_moves_to_the_values_next_to_it(choice: Choice) -> None:
    values = choice.values
    assert choice.neighbours(values[0]) == values[1:2]
    assert choice.neighbours(values[-1]) == values[-2:-1]
    for i in range(1, len(values) - 1):
        assert choice.neighbours(values[i]) == (values[i - 1], values[i + 1])


@pytest.mark.parametrize("choice", [c for c in REAL if c.ordered], ids=lambda c: str(c.name))
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


def test_a_hyperparameter_can_be_left_out_of_the_search() -> None:
    assert [c.name for c in Space((LR, FLIP)).without(frozenset({"opt.lr"}))] == ["data.flip"]
    with pytest.raises(UnknownNameError, match=r"opt\.rl"):
        Space((LR, FLIP)).without(frozenset({"opt.rl"}))


def test_learned_probabilities_are_the_multiples_of_2_per_cent_up_to_30() -> None:
    assert MU.values == tuple(i / 50 for i in range(1, 16))
    assert MU.default == 0.2
