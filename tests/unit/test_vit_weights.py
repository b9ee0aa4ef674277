"""Public weights compute in Taskgrove what they compute in an independent implementation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from taskgrove.backbones.assemble import assemble
from taskgrove.backbones.families import family_of
from taskgrove.domain.ids import SlotName
from tests.unit.plain_vit import PlainVit, save_augreg, save_timm, tiny_plain_vit

FORMATS = [
    pytest.param(save_timm, "w.safetensors", id="timm"),
    pytest.param(save_augreg, "w.npz", id="augreg"),
]
Save = Callable[[PlainVit, Path], Path]
Components = dict[SlotName, dict[str, Tensor]]


def logits_of(components: Components, member: str, vit: PlainVit, images: Tensor) -> Tensor:
    """With the head of `vit`, which the reader leaves out."""
    family = family_of(member)
    layout, hparams = family.layout(member), {"data.resolution": images.shape[-1]}
    slots = [layout.slot(name, hparams, vit.head.out_features) for name in layout.root_slots()]
    head = {"weight": vit.head.weight.detach(), "bias": vit.head.bias.detach()}
    with torch.no_grad():
        logits: Tensor = assemble(family, slots, components | {SlotName("head"): head})(images)
    return logits


def random_images(edge: int) -> Tensor:
    return torch.rand(3, 3, edge, edge, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize(("save", "name"), FORMATS)
def test_loaded_weights_give_the_logits_of_a_plain_vision_transformer(
    save: Save, name: str, tmp_path: Path
) -> None:
    vit, images = tiny_plain_vit(), random_images(8)
    components = family_of("vit-tiny-test").read_weights(save(vit, tmp_path / name), "vit-tiny-test")
    with torch.no_grad():
        expected = vit(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(
        logits_of(components, "vit-tiny-test", vit, images), expected, rtol=1e-5, atol=1e-5
    )


def test_both_formats_give_the_same_components(tmp_path: Path) -> None:
    vit, family = tiny_plain_vit(), family_of("vit-tiny-test")
    timm = family.read_weights(save_timm(vit, tmp_path / "w.safetensors"), "vit-tiny-test")
    augreg = family.read_weights(save_augreg(vit, tmp_path / "w.npz"), "vit-tiny-test")
    assert timm.keys() == augreg.keys()
    for slot, tensors in timm.items():
        assert all(torch.equal(tensors[name], augreg[slot][name]) for name in tensors)


@pytest.mark.parametrize(("save", "name"), FORMATS)
def test_components_have_the_slots_shapes_and_no_head(save: Save, name: str, tmp_path: Path) -> None:
    family = family_of("vit-tiny-test")
    layout, hparams = family.layout("vit-tiny-test"), family.space("vit-tiny-test").defaults()
    components = family.read_weights(save(tiny_plain_vit(), tmp_path / name), "vit-tiny-test")
    assert tuple(components) == layout.root_slots()[:-1]
    for slot, tensors in components.items():
        shapes = layout.slot(slot, hparams, 1).shapes
        assert {n: tuple(t.shape) for n, t in tensors.items()} == dict(shapes)
        assert list(tensors) == list(shapes)
        assert all(t.is_contiguous() and t.dtype is torch.float32 for t in tensors.values())


def test_t3_is_the_first_three_of_twelve_blocks(tmp_path: Path) -> None:
    vit = PlainVit(width=192, depth=12, heads=3, inner=768, patch=16, grid=2)
    path, images = save_timm(vit, tmp_path / "w.safetensors"), random_images(32)
    components = family_of("vit-ti3").read_weights(path, "vit-ti3")
    with torch.no_grad():
        expected = vit(images, num_blocks=3)
    actual = logits_of(components, "vit-ti3", vit, images)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("save", "name"), FORMATS)
def test_positions_are_resampled_to_the_default_resolution(save: Save, name: str, tmp_path: Path) -> None:
    vit = tiny_plain_vit(grid=3)
    family = family_of("vit-tiny-test")
    positions = family.read_weights(save(vit, tmp_path / name), "vit-tiny-test")[SlotName("pos")]["embedding"]
    corners = vit.pos_embed.detach()[0][[0, 1, 3, 7, 9]]
    torch.testing.assert_close(positions, corners)


def test_half_precision_files_become_float32(tmp_path: Path) -> None:
    path = save_timm(tiny_plain_vit(), tmp_path / "w.safetensors")
    save_file({name: t.bfloat16() for name, t in load_file(path).items()}, path)
    components = family_of("vit-tiny-test").read_weights(path, "vit-tiny-test")
    assert {t.dtype for tensors in components.values() for t in tensors.values()} == {torch.float32}
