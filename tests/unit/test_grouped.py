"""Groups of channels are together the layer that they are cut from, and are compared one by one."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from taskgrove.backbones.assemble import Network, assemble
from taskgrove.backbones.families import family_of
from taskgrove.backbones.families.grouped.layout import LAYOUTS
from taskgrove.domain.errors import BadValueError, UnknownNameError, WeightsError
from taskgrove.domain.ids import SlotName
from taskgrove.testing.families import random_components, slots_of
from taskgrove.trainer.probe import grams
from taskgrove.trainer.similarity.gram import Gram
from tests.unit.test_plain_families import images_of, slot_at

TINY = "grouped-tiny-test"
PLAIN = "convnet-tiny-test"
CPU = torch.device("cpu")


def both(edge: int = 16) -> tuple[Network, Network]:
    """A network in groups, and the convolutional network with the groups' channels side by side."""
    family, plain = family_of(TINY), family_of(PLAIN)
    slots = [slot_at(TINY, name, edge) for name in LAYOUTS[TINY].root_slots()]
    components = random_components(family, slots)
    whole = [slot_at(PLAIN, name, edge) for name in ("conv_0", "conv_1", "conv_2", "dense_0", "head")]
    joined = {
        slot.name: {
            name: torch.cat([components[s.name][name] for s in slots if s.name.startswith(slot.name)])
            for name in slot.shapes
        }
        for slot in whole
    }
    return assemble(family, slots, components), assemble(plain, whole, joined)


@pytest.mark.parametrize("edge", [16, 8, 24])
def test_groups_are_together_the_layer(edge: int) -> None:
    """Up to the order of sums in float32."""
    grouped, plain = both(edge)
    images = images_of(edge, 5)
    torch.testing.assert_close(grouped(images), plain(images), rtol=1e-5, atol=1e-5)


def test_a_groups_activations_are_its_own_channels() -> None:
    """As if each group were compared in a network of its own, up to the order of sums."""
    grouped, plain = both()
    images = images_of(16, 4)
    found = grams(grouped, lambda at: images[at], 4, 4, CPU)
    x = images
    for slot in plain.slots:
        x = plain.family.apply(slot, plain.tensors(slot.name), x).detach()
        parts = [name for name in found if name.startswith(slot.name)]
        for name, part in zip(parts, x.chunk(len(parts), dim=1), strict=True):
            expected = Gram(4, CPU)
            expected.add(part)
            torch.testing.assert_close(
                found[name].correlations(), expected.correlations(), rtol=1e-4, atol=1e-4
            )


@pytest.mark.parametrize("member", list(LAYOUTS))
def test_every_layer_has_as_many_groups_as_the_member_says(member: str) -> None:
    layout = LAYOUTS[member]
    names = layout.root_slots()
    assert len(names) == 4 * layout.groups + 1
    kinds = {slot.kind for slot in slots_of(family_of(member), member)}
    assert len(kinds) == 2 * layout.groups + 1, "groups of another number are not interchangeable"


def test_what_is_no_model_is_refused() -> None:
    layout = LAYOUTS[TINY]
    with pytest.raises(BadValueError, match="no slot may be left out"):
        layout.check(layout.root_slots()[1:])
    with pytest.raises(UnknownNameError, match="conv_0_1"):
        layout.slot(SlotName("conv_0_9"), {"data.resolution": 16}, 3)
    with pytest.raises(WeightsError):
        family_of(TINY).write_weights({}, TINY)


def test_training_reaches_single_groups() -> None:
    family = family_of(TINY)
    slots = slots_of(family, TINY)
    components = random_components(family, slots)
    network = assemble(family, slots, components, frozenset({SlotName("conv_1_1"), SlotName("head")}))
    network(torch.randn(3, 3, 16, 16, generator=Generator().manual_seed(0))).sum().backward()
    trained = [slot.name for slot in slots if network.tensors(slot.name)["weight"].grad is not None]
    assert trained == ["conv_1_1", "head"]
