"""Every registered backbone family passes the conformance suite with its tiny member."""

from __future__ import annotations

import pytest

from taskgrove.backbones.base import AbstractFamily
from taskgrove.backbones.families import FAMILIES, family_of
from taskgrove.domain.errors import UnknownNameError
from taskgrove.testing.families import FamilySuite


class TestFamilies(FamilySuite):
    """Runs the suite over the registry."""

    @pytest.fixture(params=list(FAMILIES))
    def family(self, request: pytest.FixtureRequest) -> AbstractFamily:
        return FAMILIES[request.param]

    @pytest.fixture
    def member(self, family: AbstractFamily) -> str:
        return family.members[0]


def test_families_are_registered_under_their_names() -> None:
    assert all(name == family.name for name, family in FAMILIES.items())


def test_a_member_leads_to_its_family() -> None:
    families: list[AbstractFamily] = [family for _, family in FAMILIES.items()]
    assert families
    assert all(family_of(member) is family for family in families for member in family.members)


def test_an_unknown_member_error_lists_the_members_of_all_families() -> None:
    with pytest.raises(UnknownNameError, match="vit-tiny-test"):
        family_of("vit-ti4")
