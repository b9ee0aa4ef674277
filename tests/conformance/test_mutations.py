"""Every registered mutation conforms."""

from __future__ import annotations

import pytest

from taskgrove.mutations.base import AbstractMutation
from taskgrove.mutations.kinds import MUTATIONS
from taskgrove.testing.mutations import DRAFTS, MutationSuite


class TestMutations(MutationSuite):
    @pytest.fixture(params=list(MUTATIONS))
    def mutation(self, request: pytest.FixtureRequest) -> AbstractMutation:
        return MUTATIONS[str(request.param)]


def test_mutations_are_registered_under_their_kinds() -> None:
    assert all(MUTATIONS[name].kind == name for name in MUTATIONS)


def test_no_two_mutations_share_a_name() -> None:
    for draft, context in DRAFTS.values():
        names = [name for _, mutation in MUTATIONS.items() for name in mutation.candidates(draft, context)]
        assert len(set(names)) == len(names)
