"""The learned mutation probability: the order of draws, what is stored, and exact chances."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, TypeVar, final

import pytest

from taskgrove.domain.hparams import Space
from taskgrove.mutations.base import AbstractMutation, Draft, MutationContext
from taskgrove.mutations.kinds.change_hparam import ChangeHparam
from taskgrove.mutations.kinds.change_mu import ChangeMu
from taskgrove.mutations.kinds.clone_component import CloneComponent
from taskgrove.mutations.kinds.remove_layer import RemoveLayer
from taskgrove.mutations.mu import MU, Sampled, sample_mutations
from taskgrove.testing.layouts import NUM_CLASSES, SPACE, TINY, tiny_root
from taskgrove.testing.mutations import draft_from
from tests.unit.exact_chance import distribution

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

T = TypeVar("T")
ROOT = tiny_root()
STAY, MOVE, SKIP, APPLY = 0.99, 0.0, 0.99, 0.0
LOW, HIGH = 0, 1


@final
class Scripted(Random):
    """Gives the numbers of a script; `choice` takes the item at the scripted index."""

    def __init__(self, *script: float) -> None:
        super().__init__(0)
        self.script = [*script]

    def random(self) -> float:
        return self.script.pop(0)

    def choice(self, seq: SupportsLenAndGetItem[T]) -> T:
        return seq[int(self.script.pop(0))]


def context(*names: str) -> MutationContext:
    """A context in which only the named hyperparameters are searched."""
    space = Space(tuple(SPACE[name] for name in names))
    return MutationContext(layout=TINY, space=space, num_classes=NUM_CLASSES, ancestors=(ROOT,))


def sample(
    rng: Random,
    *mutations: AbstractMutation,
    searched: tuple[str, ...] = ("data.flip",),
    mu: Mapping[str, float] | None = None,
    scalar: float = 0.2,
    learned: bool = True,
    draft: Draft | None = None,
) -> Sampled:
    start = draft or draft_from(ROOT, mu=scalar)
    return sample_mutations(
        start, mu or {}, mutations or (ChangeHparam(),), context(*searched), rng, learned=learned
    )


def test_an_entry_moves_first_and_the_moved_value_is_used() -> None:
    kept = sample(Scripted(MOVE, HIGH, 0.21, LOW))
    assert kept.mu == {"hp:data.flip": 0.22}
    assert kept.applied == {"hp:data.flip": 0.22}
    assert sample(Scripted(MOVE, LOW, 0.19)).applied == {}
    assert sample(Scripted(STAY, 0.19, LOW)).applied == {"hp:data.flip": 0.2}


@pytest.mark.parametrize(("scalar", "drawn", "moves"), [(0.3, 0.29, True), (0.1, 0.11, False)])
def test_an_entry_moves_with_the_probability_of_the_scalar_mu(
    scalar: float, drawn: float, moves: bool
) -> None:
    script = Scripted(drawn, LOW, SKIP) if moves else Scripted(drawn, SKIP)
    sampled = sample(script, scalar=scalar)
    assert sampled.mu == ({"hp:data.flip": 0.18} if moves else {})
    assert script.script == []


def test_entries_that_never_moved_are_not_stored() -> None:
    names = ("data.flip", "opt.lr", "opt.schedule")
    sampled = sample(Scripted(STAY, SKIP, MOVE, HIGH, SKIP, STAY, SKIP), searched=names)
    assert sampled.mu == {"hp:opt.lr": 0.22}
    assert sampled.applied == {}


def test_an_inherited_entry_is_used_and_moves_on_from_where_it_is() -> None:
    table = {"hp:data.flip": 0.02, "clone:block_0": 0.3}
    assert sample(Scripted(STAY, 0.03), mu=table).applied == {}
    moved = sample(Scripted(MOVE, LOW, 0.03, LOW), mu=table)
    assert moved.mu == {"hp:data.flip": 0.04, "clone:block_0": 0.3}
    assert moved.applied == {"hp:data.flip": 0.04}
    assert table == {"hp:data.flip": 0.02, "clone:block_0": 0.3}


def test_without_learning_the_scalar_is_used_and_the_table_stays() -> None:
    table = {"hp:data.flip": 0.02}
    sampled = sample(Scripted(0.11, LOW), mu=table, scalar=0.12, learned=False)
    assert sampled.applied == {"hp:data.flip": 0.12}
    assert sampled.mu == table
    assert sample(Scripted(0.13), mu=table, scalar=0.12, learned=False).applied == {}


def test_a_moved_scalar_is_the_rate_of_what_comes_after() -> None:
    mutations = (ChangeMu(), ChangeHparam())
    script = Scripted(STAY, APPLY, HIGH, 0.21, LOW, SKIP)
    sampled = sample(script, *mutations, searched=("data.flip", "mu"), scalar=0.2)
    assert sampled.draft.hparams["mu"] == 0.22
    assert sampled.mu == {"hp:data.flip": 0.18}
    assert sampled.applied == {"hp:mu": 0.2}


def test_later_kinds_see_the_draft_as_earlier_ones_left_it() -> None:
    rng = Scripted(STAY, APPLY, *[STAY, APPLY] * 4)
    sampled = sample(rng, RemoveLayer(), CloneComponent())
    assert [*sampled.applied] == [
        "remove:layer",
        "clone:embedding",
        "clone:cls",
        "clone:pos",
        "clone:block_0",
    ]
    assert set(sampled.applied.values()) == {0.2}
    assert sampled.draft.names() == tuple(slot for slot in TINY.root_slots() if slot != "block_1")
    assert rng.script == []


def test_nothing_is_drawn_where_nothing_can_be_mutated() -> None:
    draft = draft_from(ROOT, trainable=TINY.root_slots())
    sampled = sample(Scripted(), CloneComponent(), draft=draft)
    assert sampled == Sampled(draft=draft, mu={}, applied={})


@pytest.mark.parametrize("entry", [0.02, 0.12, 0.2, 0.3])
@pytest.mark.parametrize("scalar", [0.02, 0.2, 0.3])
def test_the_exact_chance_of_every_entry_and_of_being_applied(entry: float, scalar: float) -> None:
    """Grid 50: every µ is a multiple of 1/50."""

    def run(rng: Random) -> tuple[float, bool]:
        sampled = sample(rng, mu={"hp:data.flip": entry}, scalar=scalar)
        return sampled.mu["hp:data.flip"], bool(sampled.applied)

    rate, before = Fraction(round(scalar * 50), 50), Fraction(round(entry * 50), 50)
    neighbours = [v for v in (before - Fraction(1, 50), before + Fraction(1, 50)) if 0 < v <= Fraction(3, 10)]
    expected = {(before, True): (1 - rate) * before, (before, False): (1 - rate) * (1 - before)}
    for value in neighbours:
        expected[value, True] = rate / len(neighbours) * value
        expected[value, False] = rate / len(neighbours) * (1 - value)
    assert distribution(run, grid=50) == {(float(v), did): p for (v, did), p in expected.items()}


def test_mutations_are_independent_of_each_other() -> None:
    def run(rng: Random) -> tuple[str, ...]:
        return tuple(sample(rng, searched=("data.flip", "opt.lr"), learned=False).applied)

    fifth, chances = Fraction(1, 5), distribution(run, grid=5)
    assert chances == {
        (): (1 - fifth) ** 2,
        ("hp:data.flip",): fifth * (1 - fifth),
        ("hp:opt.lr",): fifth * (1 - fifth),
        ("hp:data.flip", "hp:opt.lr"): fifth**2,
    }


def test_a_table_entry_outside_the_valid_values_moves_to_the_nearest() -> None:
    assert MU.neighbours(0.5) == (0.3,)
    assert sample(Scripted(MOVE, LOW, SKIP), mu={"hp:data.flip": 0.5}).mu == {"hp:data.flip": 0.3}
