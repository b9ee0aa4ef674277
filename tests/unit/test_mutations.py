"""Each mutation: what it offers, and exactly what it changes."""

from __future__ import annotations

from random import Random

import pytest

from taskgrove.domain.hparams import Choice, Space
from taskgrove.domain.ids import SlotName
from taskgrove.mutations.base import AbstractMutation, Draft, MutationContext, Plan
from taskgrove.mutations.kinds.change_hparam import ChangeHparam
from taskgrove.mutations.kinds.change_mu import ChangeMu
from taskgrove.mutations.kinds.clone_component import CloneComponent
from taskgrove.mutations.kinds.insert_adapter import InsertAdapter
from taskgrove.mutations.kinds.regrow_layer import RegrowLayer
from taskgrove.mutations.kinds.remove_layer import RemoveLayer
from taskgrove.testing.layouts import TINY, offspring, tiny_root
from taskgrove.testing.mutations import context_of, draft_from
from tests.unit.exact_chance import distribution

ROOT = tiny_root()
DRAFT, CONTEXT = draft_from(ROOT), context_of(ROOT)
REMOVE, REGROW, INSERT, CLONE = RemoveLayer(), RegrowLayer(), InsertAdapter(), CloneComponent()


def applied(mutation: AbstractMutation, draft: Draft, context: MutationContext, name: str) -> Draft:
    assert name in mutation.candidates(draft, context)
    return mutation.apply(draft, name, context, Random(0))


def names(draft: Draft) -> list[str]:
    return [*draft.names()]


def test_the_top_layer_is_removed() -> None:
    after = applied(REMOVE, DRAFT, CONTEXT, "remove:layer")
    assert names(after) == ["embedding", "cls", "pos", "block_0", "norm", "head"]
    assert after.plans == tuple(plan for plan in DRAFT.plans if plan.slot != "block_1")
    assert after.hparams == DRAFT.hparams


def test_the_last_layer_stays() -> None:
    after = applied(REMOVE, DRAFT, CONTEXT, "remove:layer")
    assert REMOVE.candidates(after, CONTEXT) == ()


@pytest.mark.parametrize(
    ("adapters", "left"),
    [
        (["adapter_1"], ["embedding", "cls", "pos", "block_0", "norm", "head"]),
        (["adapter_0"], ["embedding", "cls", "pos", "adapter_0", "block_0", "norm", "head"]),
        (["adapter_0", "adapter_1"], ["embedding", "cls", "pos", "adapter_0", "block_0", "norm", "head"]),
    ],
)
def test_a_removed_layer_takes_the_adapter_before_it(adapters: list[str], left: list[str]) -> None:
    grown = offspring(ROOT, "a", own=(*adapters, "norm", "head"))
    after = applied(REMOVE, draft_from(grown), context_of(grown, ROOT), "remove:layer")
    assert names(after) == left
    TINY.check(after.names())


def test_nothing_regrows_where_nothing_is_missing() -> None:
    assert REGROW.candidates(DRAFT, CONTEXT) == ()


def test_nothing_regrows_where_no_ancestor_had_it() -> None:
    cut = offspring(ROOT, "a", without=["block_1"])
    assert REGROW.candidates(draft_from(cut), context_of()) == ()
    assert REGROW.candidates(draft_from(cut), context_of(cut)) == ()


def test_a_removed_layer_regrows_as_its_nearest_ancestor_had_it() -> None:
    trained = offspring(ROOT, "a", own=("block_1", "norm", "head"))
    cut = offspring(trained, "a", without=["block_1"])
    after = applied(REGROW, draft_from(cut), context_of(cut, trained, ROOT), "regrow:layer")
    assert names(after) == [*TINY.root_slots()]
    component = trained.component(SlotName("block_1"))
    assert after.plans[4] == Plan(slot=SlotName("block_1"), component=component, trainable=False)
    assert REGROW.candidates(after, context_of(cut, trained, ROOT)) == ()


def test_a_layer_regrows_below_the_norm_and_above_what_is_left() -> None:
    grown = offspring(ROOT, "a", own=("adapter_0", "norm", "head"))
    cut = offspring(grown, "a", without=["block_1"])
    after = applied(REGROW, draft_from(cut), context_of(cut, ROOT), "regrow:layer")
    assert names(after) == ["embedding", "cls", "pos", "adapter_0", "block_0", "block_1", "norm", "head"]


def test_the_lowest_of_several_missing_layers_regrows_first() -> None:
    deep = draft_from(ROOT)
    bare = Draft(plans=tuple(p for p in deep.plans if not p.slot.startswith("block_")), hparams=deep.hparams)
    once = applied(REGROW, bare, CONTEXT, "regrow:layer")
    assert names(once) == ["embedding", "cls", "pos", "block_0", "norm", "head"]
    assert names(applied(REGROW, once, CONTEXT, "regrow:layer")) == [*TINY.root_slots()]


def test_removing_and_regrowing_gives_back_a_shared_layer() -> None:
    cut = applied(REMOVE, DRAFT, CONTEXT, "remove:layer")
    assert applied(REGROW, cut, CONTEXT, "regrow:layer") == DRAFT


def test_an_adapter_goes_right_before_its_block_and_is_new() -> None:
    assert INSERT.candidates(DRAFT, CONTEXT) == ("insert:adapter_0", "insert:adapter_1")
    after = applied(INSERT, DRAFT, CONTEXT, "insert:adapter_1")
    assert names(after) == ["embedding", "cls", "pos", "block_0", "adapter_1", "block_1", "norm", "head"]
    assert after.plans[4] == Plan(slot=SlotName("adapter_1"), component=None, trainable=True)
    assert INSERT.candidates(after, CONTEXT) == ("insert:adapter_0",)
    both = applied(INSERT, after, CONTEXT, "insert:adapter_0")
    assert INSERT.candidates(both, CONTEXT) == ()


def test_only_frozen_slots_of_the_body_can_be_cloned() -> None:
    draft = draft_from(ROOT, trainable=("cls", "norm", "head"))
    assert CLONE.candidates(draft, CONTEXT) == (
        "clone:embedding",
        "clone:pos",
        "clone:block_0",
        "clone:block_1",
    )
    frozen = draft_from(ROOT, trainable=())
    assert set(CLONE.candidates(frozen, CONTEXT)).isdisjoint({"clone:norm", "clone:head"})


def test_cloning_makes_one_slot_trainable_and_keeps_its_component() -> None:
    after = applied(CLONE, DRAFT, CONTEXT, "clone:block_0")
    changed = [(was, now) for was, now in zip(DRAFT.plans, after.plans, strict=True) if was != now]
    component = ROOT.component(SlotName("block_0"))
    assert changed == [
        (
            Plan(slot=SlotName("block_0"), component=component, trainable=False),
            Plan(slot=SlotName("block_0"), component=component, trainable=True),
        )
    ]
    assert "clone:block_0" not in CLONE.candidates(after, CONTEXT)


def test_hyperparameter_moves_leave_mu_alone() -> None:
    assert ChangeHparam().candidates(DRAFT, CONTEXT) == (
        "hp:arch.adapter_dim",
        "hp:data.flip",
        "hp:data.resolution",
        "hp:opt.lr",
        "hp:opt.schedule",
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("opt.lr", {0.001, 0.1}),
        ("opt.schedule", {"constant", "restarts"}),
        ("data.flip", {True}),
        ("data.resolution", {12}),
    ],
)
def test_a_hyperparameter_moves_to_each_neighbour_alike(name: str, values: set[object]) -> None:
    def move(rng: Random) -> object:
        after = ChangeHparam().apply(DRAFT, f"hp:{name}", CONTEXT, rng)
        assert after.plans == DRAFT.plans
        assert {k: v for k, v in after.hparams.items() if k != name} == {
            k: v for k, v in DRAFT.hparams.items() if k != name
        }
        return after.hparams[name]

    chances = distribution(move, grid=1)
    assert set(chances) == values
    assert len(set(chances.values())) == 1


def test_a_hyperparameter_with_one_value_is_not_searched() -> None:
    space = Space((Choice(name="opt.lr", values=(0.01,), default=0.01),))
    context = MutationContext(layout=TINY, space=space, num_classes=3)
    assert ChangeHparam().candidates(DRAFT, context) == ()


def test_the_scalar_mu_moves_to_a_neighbour() -> None:
    assert ChangeMu().candidates(DRAFT, CONTEXT) == ("hp:mu",)
    assert set(distribution(lambda rng: ChangeMu().apply(DRAFT, "hp:mu", CONTEXT, rng).hparams["mu"], 1)) == {
        0.18,
        0.22,
    }


def test_the_scalar_mu_stays_where_it_is_not_searched() -> None:
    space = CONTEXT.space.with_values({"mu": (0.2,)})
    context = MutationContext(layout=TINY, space=space, num_classes=3)
    assert ChangeMu().candidates(DRAFT, context) == ()
