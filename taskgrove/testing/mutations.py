"""What every mutation must do, as tests: subclass `MutationSuite` and give it `mutation`."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random

import pytest

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.records import Model
from taskgrove.mutations.base import AbstractMutation, Draft, MutationContext, Plan
from taskgrove.testing.layouts import NUM_CLASSES, SPACE, TINY, offspring, tiny_root


def draft_from(model: Model, trainable: Iterable[str] = ("norm", "head"), **hparams: HparamValue) -> Draft:
    """A child of `model` that trains the components in the slots `trainable`.

    Args:
        model: The parent.
        trainable: Slots that are not shared.
        hparams: Values that differ from the parent's; `opt_lr` is `opt.lr`.
    """
    own = set(trainable)
    plans = (Plan(slot=c.slot, component=c, trainable=c.slot in own) for c in model.components)
    moved = {name.replace("_", ".", 1): value for name, value in hparams.items()}
    return Draft(plans=tuple(plans), hparams={**model.hparams, **moved})


def context_of(*ancestors: Model) -> MutationContext:
    """What a mutation knows of a child with these ancestors."""
    return MutationContext(layout=TINY, space=SPACE, num_classes=NUM_CLASSES, ancestors=ancestors)


_ROOT = tiny_root()
_GROWN = offspring(_ROOT, "a", own=("adapter_0", "adapter_1", "norm", "head"))
_CUT = offspring(_ROOT, "a", without=("block_1",))
DRAFTS: Mapping[str, tuple[Draft, MutationContext]] = {
    "of a root": (draft_from(_ROOT), context_of(_ROOT)),
    "with adapters": (draft_from(_GROWN), context_of(_GROWN, _ROOT)),
    "with a layer removed": (draft_from(_CUT), context_of(_CUT, _ROOT)),
    "with everything trained": (draft_from(_ROOT, TINY.root_slots()), context_of(_ROOT)),
    "at the low ends": (
        draft_from(_ROOT, opt_lr=0.001, data_resolution=8, opt_schedule="constant", mu=0.02),
        context_of(_ROOT),
    ),
    "at the high ends": (
        draft_from(_ROOT, opt_lr=0.1, data_resolution=16, opt_schedule="restarts", data_flip=True, mu=0.3),
        context_of(_ROOT),
    ),
    "outside the space": (draft_from(_ROOT, opt_lr=7.0, mu=0.5), context_of(_ROOT)),
    "without ancestors": (draft_from(_CUT), context_of()),
}
"""Children before mutation, one of every sort."""


class MutationSuite:
    """The conformance suite of a mutation."""

    @pytest.fixture(params=sorted(DRAFTS))
    def case(self, request: pytest.FixtureRequest) -> tuple[Draft, MutationContext]:
        """A draft and its context."""
        return DRAFTS[str(request.param)]

    def test_it_says_what_it_is(self, mutation: AbstractMutation) -> None:
        assert mutation.kind
        assert mutation.summary
        assert "\n" not in mutation.summary

    def test_it_applies_to_some_draft(self, mutation: AbstractMutation) -> None:
        assert any(mutation.candidates(draft, context) for draft, context in DRAFTS.values())

    def test_candidates_are_distinct_and_always_the_same(
        self, mutation: AbstractMutation, case: tuple[Draft, MutationContext]
    ) -> None:
        names = mutation.candidates(*case)
        assert names == mutation.candidates(*copy.deepcopy(case))
        assert len(set(names)) == len(names)
        assert all(names)

    def test_every_candidate_changes_the_draft(
        self, mutation: AbstractMutation, case: tuple[Draft, MutationContext]
    ) -> None:
        draft, context = case
        for name in mutation.candidates(draft, context):
            for seed in range(20):
                assert mutation.apply(draft, name, context, Random(seed)) != draft, name

    def test_the_draft_itself_is_left_alone(
        self, mutation: AbstractMutation, case: tuple[Draft, MutationContext]
    ) -> None:
        draft, context = case
        before = copy.deepcopy(draft)
        for name in mutation.candidates(draft, context):
            mutation.apply(draft, name, context, Random(0))
        assert draft == before

    def test_the_same_random_numbers_give_the_same_draft(
        self, mutation: AbstractMutation, case: tuple[Draft, MutationContext]
    ) -> None:
        draft, context = case
        for name in mutation.candidates(draft, context):
            first, second = (mutation.apply(draft, name, context, Random(3)) for _ in range(2))
            assert first == second

    def test_what_comes_out_is_a_model_of_the_family(
        self, mutation: AbstractMutation, case: tuple[Draft, MutationContext]
    ) -> None:
        draft, context = case
        for name in mutation.candidates(draft, context):
            after = mutation.apply(draft, name, context, Random(0))
            context.layout.check(after.names())
            assert after.hparams.keys() == draft.hparams.keys()
            moved = [n for n, value in after.hparams.items() if value != draft.hparams[n]]
            assert all(after.hparams[n] in context.space[n].values for n in moved)
            assert all(plan.trainable for plan in after.plans if plan.component is None)

    def test_names_depend_on_what_is_changed_alone(
        self, mutation: AbstractMutation, case: tuple[Draft, MutationContext]
    ) -> None:
        draft, context = case
        other = replace(context, num_classes=context.num_classes + 1)
        assert mutation.candidates(draft, other) == mutation.candidates(draft, context)
