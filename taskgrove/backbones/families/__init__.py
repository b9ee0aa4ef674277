"""The backbone families that the package ships; other packages add theirs by entry point."""

from __future__ import annotations

from taskgrove.backbones.base import AbstractFamily
from taskgrove.backbones.families.convnet.family import ConvnetFamily
from taskgrove.backbones.families.grouped.family import GroupedFamily
from taskgrove.backbones.families.mlp.family import MlpFamily
from taskgrove.backbones.families.vit.family import VitFamily
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.registry import Registry

_BUILTIN: tuple[AbstractFamily, ...] = (
    ConvnetFamily(),
    GroupedFamily(),
    MlpFamily(),
    VitFamily(),
)

FAMILIES: Registry[AbstractFamily] = Registry(
    "backbone family", "taskgrove.families", {family.name: family for family in _BUILTIN}
)


def family_of(member: str) -> AbstractFamily:
    """The family that has a member called `member`.

    Raises:
        UnknownNameError: No family has it; the message lists the members of all families.
    """
    for _, family in FAMILIES.items():
        if member in family.members:
            return family
    raise UnknownNameError.of("backbone", member, (m for _, f in FAMILIES.items() for m in f.members))
