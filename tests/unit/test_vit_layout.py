"""The slots of vision transformers: the published sizes, the exact cost, the grammar."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from taskgrove.backbones.families import family_of
from taskgrove.backbones.families.vit import layout as layout_module
from taskgrove.backbones.families.vit import members as members_module
from taskgrove.backbones.families.vit.layout import ADAPTER_SPACE
from taskgrove.backbones.families.vit.members import LAYOUTS, layout_of, space_of
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import Role, Slot

AT_32: Hparams = {"data.resolution": 32}


def slot_of(member: str, name: str, hparams: Hparams = AT_32, num_classes: int = 2) -> Slot:
    return layout_of(member).slot(SlotName(name), hparams, num_classes)


def names(text: str) -> list[SlotName]:
    return [SlotName(name) for name in text.split()]


def root_total(member: str, resolution: int, attribute: str) -> int:
    slots = [slot_of(member, n, {"data.resolution": resolution}) for n in layout_of(member).root_slots()]
    return sum(slot.flops if attribute == "flops" else slot.num_params for slot in slots)


@pytest.mark.parametrize(
    ("member", "slot", "num_params"),
    [
        ("vit-ti3", "embedding", 147_648),
        ("vit-ti3", "cls", 192),
        ("vit-ti3", "pos", 960),
        ("vit-ti3", "block_2", 444_864),
        ("vit-ti3", "adapter_0", 12_896),
        ("vit-ti3", "norm", 384),
        ("vit-ti3", "head", 386),
        ("vit-b", "embedding", 590_592),
        ("vit-b", "block_11", 7_087_872),
        ("vit-l", "embedding", 787_456),
        ("vit-l", "block_23", 12_596_224),
    ],
)
def test_components_have_the_published_numbers_of_parameters(member: str, slot: str, num_params: int) -> None:
    assert slot_of(member, slot).num_params == num_params


@pytest.mark.parametrize(
    ("member", "resolution", "num_params"),
    [("vit-ti3", 32, 1_484_162), ("vit-b", 32, 85_652_738), ("vit-l", 224, 303_303_682)],
)
def test_roots_have_the_published_numbers_of_parameters(
    member: str, resolution: int, num_params: int
) -> None:
    assert root_total(member, resolution, "num_params") == num_params


@pytest.mark.parametrize(
    ("member", "resolution", "flops", "tolerance"),
    [("vit-ti3", 32, 14.77e6, 0.02), ("vit-b", 80, 4.485e9, 0.005), ("vit-l", 384, 0.38e12, 0.01)],
)
def test_roots_cost_what_the_papers_say(member: str, resolution: int, flops: float, tolerance: float) -> None:
    assert root_total(member, resolution, "flops") == pytest.approx(flops, rel=tolerance)


@pytest.mark.parametrize(
    ("member", "resolution"),
    [
        ("vit-tiny-test", 8),
        ("vit-tiny-test", 16),
        ("vit-ti3", 16),
        ("vit-ti3", 80),
        ("vit-s", 48),
        ("vit-b", 80),
        ("vit-l", 224),
        ("vit-l", 384),
    ],
)
def test_every_slot_costs_what_pytorch_counts(member: str, resolution: int) -> None:
    family, x = family_of(member), torch.empty(1, 3, resolution, resolution, device="meta")
    for name in names("embedding cls pos adapter_1 block_1 norm head"):
        slot = slot_of(member, name, {"data.resolution": resolution}, num_classes=7)
        tensors = {n: torch.empty(shape, device="meta") for n, shape in slot.shapes.items()}
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            x = family.apply(slot, tensors, x)
        assert counter.get_total_flops() == slot.flops, name


@pytest.mark.parametrize("member", list(LAYOUTS))
def test_every_member_is_whole(member: str) -> None:
    layout, resolution = layout_of(member), space_of(member)["data.resolution"]
    assert layout.width % layout.heads == 0
    assert all(int(value) % layout.patch_size == 0 for value in resolution.values)
    layout.check(layout.root_slots())


def test_blocks_and_nothing_else_are_removable() -> None:
    slots = [slot_of("vit-ti3", name) for name in layout_of("vit-ti3").root_slots()]
    assert [slot.name for slot in slots if slot.removable] == ["block_0", "block_1", "block_2"]


def test_roles_and_flags() -> None:
    assert slot_of("vit-ti3", "norm").role is Role.HEAD_NORM
    assert slot_of("vit-ti3", "head").role is Role.HEAD
    assert slot_of("vit-ti3", "block_0").role is Role.BODY
    assert slot_of("vit-ti3", "pos").resizable
    assert slot_of("vit-ti3", "adapter_2").insertable
    assert slot_of("vit-ti3", "adapter_2").kind == "adapter"


def test_adapters_go_right_before_blocks_that_are_present() -> None:
    layout = layout_of("vit-ti3")
    present = names("embedding cls pos block_0 adapter_1 block_1 norm head")
    assert layout.insertable_slots(present) == (("adapter_0", 3),)
    assert layout.insertable_slots(layout.root_slots()) == (
        ("adapter_0", 3),
        ("adapter_1", 4),
        ("adapter_2", 5),
    )
    layout.check(names("embedding cls pos adapter_0 block_0 adapter_1 block_1 norm head"))


def test_adapters_are_as_wide_as_asked_and_32_by_default() -> None:
    assert slot_of("vit-ti3", "adapter_0").shapes["down_weight"] == (32, 192)
    wide = slot_of("vit-ti3", "adapter_0", {**AT_32, "arch.adapter_dim": 128})
    assert wide.shapes["up_weight"] == (192, 128)
    assert wide.flops == 4 * slot_of("vit-ti3", "adapter_0").flops
    assert "arch.adapter_dim" in ADAPTER_SPACE
    assert "arch.adapter_dim" not in space_of("vit-ti3")


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        ("embedding cls pos norm head", "missing: block_0"),
        ("embedding cls pos block_0 block_2 norm head", "missing: block_1"),
        ("embedding cls pos block_0 block_1 block_1 norm head", "repeated: block_1"),
        ("embedding cls pos block_1 block_0 norm head", "out of order"),
        ("embedding cls pos block_0 adapter_0 norm head", "out of order"),
        ("embedding cls pos block_0 adapter_1 norm head", "out of place: adapter_1"),
        ("embedding cls pos block_0 norm", "missing: head"),
        ("embedding cls pos block_0 block_1 block_2 block_3 norm head", "out of place: block_3"),
        ("embedding cls pos block_00 norm head", "out of place: block_00"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(sequence: str, reason: str) -> None:
    with pytest.raises(BadValueError, match=reason):
        layout_of("vit-ti3").check(names(sequence))


@pytest.mark.parametrize("name", ["block_3", "adapter_3", "block_-1", "block_01", "block", "dense"])
def test_a_slot_that_the_member_lacks_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="slot of vit-ti3"):
        slot_of("vit-ti3", name)


@pytest.mark.parametrize("value", [None, 0, -16, 40, 32.0, "32", True])
def test_a_resolution_that_patches_do_not_tile_is_refused(value: int | None) -> None:
    hparams: Hparams = {} if value is None else {"data.resolution": value}
    with pytest.raises(BadValueError, match=r"data\.resolution must be a positive multiple of 16"):
        slot_of("vit-ti3", "block_0", hparams)


@pytest.mark.parametrize("value", [0, -8, 8.0, "8"])
def test_an_adapter_without_a_width_is_refused(value: int) -> None:
    with pytest.raises(BadValueError, match=r"arch\.adapter_dim"):
        slot_of("vit-ti3", "adapter_0", {**AT_32, "arch.adapter_dim": value})


def test_layouts_and_members_import_no_torch() -> None:
    for module in (layout_module, members_module):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert imported
        assert not any(name.startswith("torch") for name in imported)
        assert not any(
            isinstance(node, ast.Import) and node.names[0].name == "torch" for node in ast.walk(tree)
        )
