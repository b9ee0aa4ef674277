"""Law 5: assemble ∘ split = identity, a fresh adapter changes nothing, what is frozen gets no gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from taskgrove.backbones.assemble import assemble, split
from taskgrove.backbones.base import AbstractFamily
from taskgrove.backbones.families import FAMILIES
from taskgrove.domain.ids import SlotName
from taskgrove.testing.families import random_components, random_images, same, slots_of

families = st.sampled_from([family for _, family in FAMILIES.items()])
seeds = st.integers(0, 2**32)


@st.composite
def models(draw: st.DrawFn) -> tuple[AbstractFamily, str, tuple[SlotName, ...]]:
    """A tiny model of any depth with any of its insertable slots."""
    family = draw(families)
    member = family.members[0]
    layout, names = family.layout(member), list(family.layout(member).root_slots())
    removable = [slot.name for slot in slots_of(family, member) if slot.removable]
    kept = draw(st.integers(min(1, len(removable)), len(removable)))
    names = [name for name in names if name not in removable[kept:]]
    for name, index in reversed(layout.insertable_slots(names)):
        if draw(st.booleans()):
            names.insert(index, name)
    layout.check(names)
    return family, member, tuple(names)


def subset(draw: st.DataObject, names: Sequence[SlotName]) -> frozenset[SlotName]:
    return draw.draw(st.frozensets(st.sampled_from(names)))


@settings(max_examples=30, deadline=None)
@given(models(), seeds, st.data())
def test_split_undoes_assemble(
    model: tuple[AbstractFamily, str, tuple[SlotName, ...]], seed: int, data: st.DataObject
) -> None:
    family, member, names = model
    slots = slots_of(family, member, names)
    components = random_components(family, slots, seed)
    network = assemble(family, slots, components, subset(data, names))
    cut = split(network)
    assert list(cut) == list(names)
    assert all(same(cut[name], components[name]) for name in names)
    again = assemble(family, slots, cut)
    images = random_images(family, member)
    assert torch.equal(network(images), again(images))


@settings(max_examples=30, deadline=None)
@given(models(), seeds, st.data())
def test_exactly_the_trainable_slots_get_gradients(
    model: tuple[AbstractFamily, str, tuple[SlotName, ...]], seed: int, data: st.DataObject
) -> None:
    family, member, names = model
    slots = slots_of(family, member, names)
    trainable = subset(data, names) | {names[-1]}
    network = assemble(family, slots, random_components(family, slots, seed), trainable)
    network(random_images(family, member)).square().sum().backward()
    for name in names:
        parameters = network.tensors(name).values()
        assert all((p.grad is not None) == (name in trainable) for p in parameters)


@settings(max_examples=30, deadline=None)
@given(models(), seeds)
def test_what_is_inserted_leaves_every_output_bit_unchanged(
    model: tuple[AbstractFamily, str, tuple[SlotName, ...]], seed: int
) -> None:
    family, member, names = model
    images, layout = random_images(family, member), family.layout(member)
    slots = slots_of(family, member, names)
    components = random_components(family, slots, seed)
    before = assemble(family, slots, components)(images)
    for name, index in layout.insertable_slots(names):
        grown = slots_of(family, member, (*names[:index], name, *names[index:]))
        new = {name: family.init(grown[index], Generator().manual_seed(seed))}
        assert torch.equal(assemble(family, grown, components | new)(images), before)
