"""What every backbone family must do, as tests: subclass `FamilySuite` and give it `family` and `member`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor
from torch.utils.flop_counter import FlopCounterMode

from taskgrove.backbones.assemble import assemble, split
from taskgrove.backbones.base import AbstractFamily
from taskgrove.domain.errors import BadValueError, UnknownNameError, WeightsError
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import AbstractLayout, Role, Slot

RESOLUTION = "data.resolution"
NUM_CLASSES = 3

Components = dict[SlotName, dict[str, Tensor]]


def slots_of(
    family: AbstractFamily, member: str, names: Sequence[SlotName] | None = None
) -> tuple[Slot, ...]:
    """The slots called `names`, or those of a root, at the member's default hyperparameters."""
    layout, hparams = family.layout(member), family.space(member).defaults()
    return tuple(layout.slot(name, hparams, NUM_CLASSES) for name in names or layout.root_slots())


def random_components(family: AbstractFamily, slots: Sequence[Slot], seed: int = 0) -> Components:
    """Initial components, but with a random head, so that the outputs tell what happens below it."""
    generator = Generator().manual_seed(seed)
    components = {slot.name: family.init(slot, generator) for slot in slots}
    for slot in slots:
        if slot.role is Role.HEAD:
            shapes = slot.shapes.items()
            components[slot.name] = {n: torch.randn(s, generator=generator) for n, s in shapes}
    return components


def random_images(family: AbstractFamily, member: str, seed: int = 1) -> Tensor:
    """Two images in [-1, 1] at the member's default resolution."""
    edge = int(family.space(member)[RESOLUTION].default)
    return torch.rand(2, 3, edge, edge, generator=Generator().manual_seed(seed)) * 2 - 1


class FamilySuite:
    """The conformance suite of a family; `member` should be its tiny one."""

    @pytest.fixture
    def layout(self, family: AbstractFamily, member: str) -> AbstractLayout:
        """The member's layout."""
        return family.layout(member)

    @pytest.fixture
    def slots(self, family: AbstractFamily, member: str) -> tuple[Slot, ...]:
        """The slots of a root."""
        return slots_of(family, member)

    @pytest.fixture
    def components(self, family: AbstractFamily, slots: tuple[Slot, ...]) -> Components:
        """Components of a root with a random head."""
        return random_components(family, slots)

    @pytest.fixture
    def images(self, family: AbstractFamily, member: str) -> Tensor:
        """Two images."""
        return random_images(family, member)

    def test_members_are_named_after_the_family(self, family: AbstractFamily, member: str) -> None:
        assert all(name.startswith(f"{family.name}-") for name in family.members)
        assert member in family.members
        assert family.layout(member).member == member

    def test_an_unknown_member_is_refused(self, family: AbstractFamily) -> None:
        for method in (family.layout, family.space):
            with pytest.raises(UnknownNameError):
                method("no-such-member")

    def test_every_member_has_a_searchable_resolution(self, family: AbstractFamily) -> None:
        for name in family.members:
            assert all(isinstance(value, int) for value in family.space(name)[RESOLUTION].values)

    def test_an_unknown_slot_is_refused(self, family: AbstractFamily, member: str) -> None:
        with pytest.raises(UnknownNameError):
            slots_of(family, member, [SlotName("no_such_slot")])

    def test_check_accepts_a_root_and_refuses_what_is_none(self, layout: AbstractLayout) -> None:
        root = layout.root_slots()
        layout.check(root)
        for wrong in (root[::-1], root[:-1], root[1:], (*root, root[-1]), (*root, SlotName("no_such_slot"))):
            with pytest.raises(BadValueError):
                layout.check(wrong)

    def test_there_is_one_head_and_it_is_last(self, slots: tuple[Slot, ...]) -> None:
        assert [slot.role is Role.HEAD for slot in slots] == [False] * (len(slots) - 1) + [True]

    def test_initial_tensors_have_the_slots_shapes(
        self, family: AbstractFamily, slots: tuple[Slot, ...]
    ) -> None:
        for slot in slots:
            tensors = family.init(slot, Generator().manual_seed(0))
            assert {name: tuple(t.shape) for name, t in tensors.items()} == dict(slot.shapes)
            assert all(t.dtype is torch.float32 and t.is_contiguous() for t in tensors.values())
            assert sum(t.numel() for t in tensors.values()) == slot.num_params

    def test_initial_tensors_follow_from_the_seed(
        self, family: AbstractFamily, slots: tuple[Slot, ...]
    ) -> None:
        first, again = random_components(family, slots, 7), random_components(family, slots, 7)
        assert all(same(first[name], again[name]) for name in first)
        other = random_components(family, slots, 8)
        assert not all(same(first[name], other[name]) for name in first)

    def test_initial_logits_are_zero(
        self, family: AbstractFamily, slots: tuple[Slot, ...], images: Tensor
    ) -> None:
        components = {slot.name: family.init(slot, Generator().manual_seed(0)) for slot in slots}
        logits = assemble(family, slots, components)(images)
        assert torch.equal(logits, torch.zeros(len(images), NUM_CLASSES))

    def test_split_gives_back_what_was_assembled(
        self, family: AbstractFamily, slots: tuple[Slot, ...], components: Components
    ) -> None:
        cut = split(assemble(family, slots, components))
        assert list(cut) == [slot.name for slot in slots]
        assert all(same(cut[name], components[name]) for name in components)

    def test_only_trainable_slots_receive_gradients(
        self, family: AbstractFamily, slots: tuple[Slot, ...], components: Components, images: Tensor
    ) -> None:
        for slot in slots:
            network = assemble(family, slots, components, frozenset({slot.name}))
            network(images).square().sum().backward()
            gradients = [p.grad for p in network.tensors(slot.name).values()]
            assert any(g is not None and bool(g.any()) for g in gradients), slot.name
            frozen = [p for s in slots if s is not slot for p in network.tensors(s.name).values()]
            assert all(p.grad is None for p in frozen)

    def test_every_slot_can_be_trained_at_once(
        self, family: AbstractFamily, slots: tuple[Slot, ...], components: Components, images: Tensor
    ) -> None:
        network = assemble(family, slots, components, frozenset(slot.name for slot in slots))
        network(images).square().sum().backward()
        assert all(p.grad is not None for p in network.parameters())

    def test_an_image_does_not_see_its_batch(
        self, family: AbstractFamily, slots: tuple[Slot, ...], components: Components, images: Tensor
    ) -> None:
        network = assemble(family, slots, components)
        torch.testing.assert_close(network(images)[:1], network(images[:1]))

    def test_a_chain_gives_what_the_slots_give_one_by_one(
        self, family: AbstractFamily, member: str, slots: tuple[Slot, ...], images: Tensor
    ) -> None:
        components = random_components(family, slots)
        x, expected = images, assemble(family, slots, components)(images)
        for layer, slot in zip(family.chain(slots), slots, strict=True):
            x = layer.apply(components[slot.name], x)
        torch.testing.assert_close(x, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))

    def test_bf16_is_close_to_fp32(
        self, family: AbstractFamily, slots: tuple[Slot, ...], components: Components, images: Tensor
    ) -> None:
        network = assemble(family, slots, components)
        half = network(images.bfloat16())
        assert half.dtype is torch.bfloat16
        torch.testing.assert_close(half.float(), network(images), rtol=0.1, atol=0.1)

    def test_layers_can_be_removed_from_the_top_down_to_one(
        self, family: AbstractFamily, layout: AbstractLayout, slots: tuple[Slot, ...], images: Tensor
    ) -> None:
        removable = [slot for slot in slots if slot.removable]
        while len(removable) > 1:
            top = removable.pop()
            slots = tuple(slot for slot in slots if slot is not top)
            layout.check([slot.name for slot in slots])
            logits = assemble(family, slots, random_components(family, slots))(images)
            assert logits.shape == (len(images), NUM_CLASSES)

    def test_an_inserted_slot_leaves_the_function_unchanged(
        self, family: AbstractFamily, member: str, components: Components, images: Tensor
    ) -> None:
        layout = family.layout(member)
        root = layout.root_slots()
        before = assemble(family, slots_of(family, member), components)(images)
        for name, index in layout.insertable_slots(root):
            grown = (*root[:index], name, *root[index:])
            layout.check(grown)
            assert name not in [offered for offered, _ in layout.insertable_slots(grown)]
            slots = slots_of(family, member, grown)
            assert slots[index].insertable
            new = family.init(slots[index], Generator().manual_seed(3))
            after = assemble(family, slots, components | {name: new})(images)
            assert torch.equal(before, after), name

    def test_a_resizable_slot_fits_every_resolution(self, family: AbstractFamily, member: str) -> None:
        layout, space = family.layout(member), family.space(member)
        resolutions = space[RESOLUTION].values
        for slot in [slot for slot in slots_of(family, member) if slot.resizable]:
            tensors = random_components(family, [slot])[slot.name]
            assert same(family.resize(slot, tensors), tensors)
            for resolution in resolutions:
                hparams = space.defaults() | {RESOLUTION: resolution}
                other = layout.slot(slot.name, hparams, NUM_CLASSES)
                resized = family.resize(other, tensors)
                assert {n: tuple(t.shape) for n, t in resized.items()} == dict(other.shapes)

    def test_written_weights_are_read_back_without_the_head(
        self, family: AbstractFamily, member: str, components: Components, tmp_path: Path
    ) -> None:
        try:
            written = family.write_weights(components, member)
        except WeightsError as error:
            pytest.skip(str(error))
        (tmp_path / "root.safetensors").write_bytes(written)
        read = family.read_weights(tmp_path / "root.safetensors", member)
        assert list(read) == list(components)[:-1]
        assert all(same(tensors, components[name]) for name, tensors in read.items())

    def test_a_slot_of_one_shape_is_not_resized(
        self, family: AbstractFamily, slots: tuple[Slot, ...], components: Components
    ) -> None:
        for slot in [slot for slot in slots if not slot.resizable]:
            with pytest.raises(BadValueError):
                family.resize(slot, components[slot.name])

    def test_flops_are_those_that_pytorch_counts(
        self, family: AbstractFamily, member: str, images: Tensor
    ) -> None:
        layout = family.layout(member)
        root = layout.root_slots()
        grown = list(root)
        for name, index in reversed(layout.insertable_slots(root)):
            grown.insert(index, name)
        slots = slots_of(family, member, grown)
        assert sum(slot.flops for slot in slots) > 0
        assert counted_flops(family, slots, images[:1]) == {slot.name: slot.flops for slot in slots}


def same(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> bool:
    """Whether two components have the same tensors, bit for bit."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def counted_flops(family: AbstractFamily, slots: Sequence[Slot], x: Tensor) -> dict[SlotName, int]:
    """What PyTorch's counter finds in the forward pass of each slot, from images `x` on."""
    components = random_components(family, slots)
    counted: dict[SlotName, int] = {}
    for slot in slots:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            x = family.apply(slot, components[slot.name], x)
        counted[slot.name] = counter.get_total_flops()
    return counted
