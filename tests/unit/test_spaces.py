"""The papers' search spaces, typed from their pages."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from taskgrove.agents.methods import AGENTS
from taskgrove.backbones.families import FAMILIES
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.hparams import HparamValue
from taskgrove.experiment.spaces import SPACES, space_of
from taskgrove.experiment.spec import SpaceSpec

Table = Mapping[str, tuple[tuple[HparamValue, ...], HparamValue]]
"""Values and default by name."""

LR = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
DELTA = ((0.0, 0.01, 0.02, 0.05, 0.1, 0.2), 0.0)
COLOURS: Table = dict.fromkeys(("data.brightness", "data.contrast", "data.saturation", "data.hue"), DELTA)
MEMBER = "vit-ti3"
SIDES = (16, 32, 48, 64, 80, 96, 112)

MUNET: Table = {
    # 001, §3, with its bold defaults; lr, warm-up and momentum as in the text above the list.
    "opt.lr": (LR, 0.01),
    "opt.schedule": (("constant", "cosine", "restarts"), "cosine"),
    "opt.warmup": ((0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4), 0.1),
    "opt.momentum": ((0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99), 0.9),
    "opt.nesterov": ((False, True), False),
    "data.area_min": ((0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0), 0.05),  # the defaults of the crop are the
    "data.aspect_min": ((0.25, 0.5, 0.75, 1.0), 0.75),  # notebooks' (reference.md, 4.6)
    "data.flip": ((False, True), True),
    **COLOURS,
    "data.quality": ((0.0,), 0.0),
    "data.resolution": (SIDES, 32),
    "arch.adapter_dim": ((8, 16, 32, 64, 128), 32),
}
MU2NET: Table = {
    # 000, Table 1 without what is underlined; preprocessing as before (reference.md, 4.6).
    "opt.lr": (LR, 0.01),
    "opt.schedule": (("cosine",), "cosine"),
    "opt.warmup": ((0.01, 0.02, 0.05, 0.1, 0.2, 0.3), 0.1),
    "opt.momentum": ((0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99), 0.9),
    "opt.nesterov": ((False, True), False),
    "data.area_min": MUNET["data.area_min"],
    "data.aspect_min": MUNET["data.aspect_min"],
    "data.flip": ((False, True), True),
    **COLOURS,
    "data.quality": ((0.0,), 0.0),
    "data.resolution": ((32,), 32),
    "mu": ((0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.22, 0.24, 0.26, 0.28, 0.3), 0.2),
}
MU2NET_PLUS: Table = {
    # 000, Table 1.
    "opt.lr": (LR, 0.01),
    "opt.schedule": (("cosine",), "cosine"),
    "opt.warmup": ((0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3), 0.1),
    "opt.momentum": ((0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99), 0.9),
    "opt.nesterov": ((False, True), False),
    "data.area_min": ((0.05, 0.5, 0.95, 1.0), 1.0),
    "data.aspect_min": ((0.5, 0.75, 1.0), 1.0),
    "data.flip": ((False, True), False),
    **COLOURS,
    "data.quality": DELTA,
    "data.resolution": (SIDES, 32),
    "mu": (tuple(i / 50 for i in range(1, 16)), 0.2),
}


def table(name: str, member: str = MEMBER) -> Table:
    return {choice.name: (choice.values, choice.default) for choice in SPACES[name].of(member)}


def test_the_space_of_munet_is_that_of_its_section_3() -> None:
    found = dict(table("munet"))
    values, constant = found.pop("mu")
    assert constant == 0.1, "the probability of every mutation, 001, §2.2"
    assert constant in values
    assert found == MUNET


@pytest.mark.parametrize(("name", "expected"), [("mu2net", MU2NET), ("mu2net_plus", MU2NET_PLUS)])
def test_the_space_is_that_of_table_1(name: str, expected: Table) -> None:
    assert table(name) == expected


@pytest.mark.parametrize(
    ("member", "sides", "side"),
    [("vit-ti3", SIDES, 32), ("vit-b", SIDES, 80), ("vit-l", (224, 384), 384)],
)
def test_only_mu2net_fixes_the_resolution_at_the_backbones_default(
    member: str, sides: tuple[int, ...], side: int
) -> None:
    assert table("mu2net_plus", member)["data.resolution"] == (sides, side)
    assert table("munet", member)["data.resolution"] == (sides, side)
    assert table("mu2net", member)["data.resolution"] == ((side,), side)


def test_schedules_and_flips_move_to_any_other_value() -> None:
    space = SPACES["munet"].of(MEMBER)
    assert {choice.name for choice in space if not choice.ordered} == {"opt.schedule", "data.flip"}


def test_every_space_serves_every_backbone() -> None:
    members = [member for _, family in FAMILIES.items() for member in family.members]
    consumed = {"opt.lr", "data.flip", "data.resolution", "mu"}
    for _, space in SPACES.items():
        for member in members:
            assert consumed <= set(space.of(member).defaults())


def test_each_method_has_the_space_of_its_paper() -> None:
    spaces = {name: AGENTS[name].space for name in ("munet", "mu2net", "mu2net_plus")}
    assert spaces == {"munet": "munet", "mu2net": "mu2net", "mu2net_plus": "mu2net_plus"}
    for _, agent in AGENTS.items():
        assert agent.space in SPACES


def test_an_experiment_searches_the_methods_space_unless_it_names_another() -> None:
    assert space_of(SpaceSpec(), "munet", MEMBER) == SPACES["munet"].of(MEMBER)
    assert space_of(SpaceSpec(base="mu2net"), "munet", MEMBER) == SPACES["mu2net"].of(MEMBER)


def test_an_experiment_may_give_other_values() -> None:
    spec = SpaceSpec(values={"opt.lr": (0.05,), "data.resolution": (32, 16)})
    space = space_of(spec, "mu2net_plus", MEMBER)
    assert (space["opt.lr"].values, space["opt.lr"].default) == ((0.05,), 0.05)
    assert (space["data.resolution"].values, space["data.resolution"].default) == ((16, 32), 32)
    usual = SPACES["mu2net_plus"].of(MEMBER)
    assert [c for c in space if c.name not in spec.values] == [c for c in usual if c.name not in spec.values]


def test_unknown_spaces_hyperparameters_backbones_and_values_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="no search space named 'mu3net'"):
        space_of(SpaceSpec(base="mu3net"), "munet", MEMBER)
    with pytest.raises(UnknownNameError, match=r"no hyperparameter named 'arch\.adapter_dim'"):
        space_of(SpaceSpec(values={"arch.adapter_dim": (8,)}), "mu2net_plus", MEMBER)
    with pytest.raises(UnknownNameError, match="vit-ti4"):
        space_of(SpaceSpec(), "munet", "vit-ti4")
    with pytest.raises(BadValueError, match=r"opt\.schedule = 'linear' is not one of"):
        space_of(SpaceSpec(values={"opt.schedule": ("linear",)}), "munet", MEMBER)
