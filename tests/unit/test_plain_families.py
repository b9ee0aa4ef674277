"""MLPs and convolutional networks: their sizes, what they compute, what they refuse."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from taskgrove.backbones import stacks
from taskgrove.backbones.assemble import assemble
from taskgrove.backbones.families import family_of
from taskgrove.backbones.families.convnet import layout as convnet_layout
from taskgrove.backbones.families.convnet.layout import LAYOUTS as CONVNETS
from taskgrove.backbones.families.mlp import layout as mlp_layout
from taskgrove.backbones.families.mlp.layout import LAYOUTS as MLPS
from taskgrove.domain.errors import BadValueError, UnknownNameError, WeightsError
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import Slot, training_flops
from taskgrove.testing.families import counted_flops, random_components, slots_of

MEMBERS = (*MLPS, *CONVNETS)
TINY = ("mlp-tiny-test", "convnet-tiny-test")


def names(text: str) -> list[SlotName]:
    return [SlotName(name) for name in text.split()]


def edge_of(member: str) -> int:
    return int(family_of(member).space(member)["data.resolution"].default)


def images_of(edge: int, count: int = 2) -> Tensor:
    return torch.rand(count, 3, edge, edge, generator=Generator().manual_seed(0)) * 2 - 1


def slot_at(member: str, name: str, edge: int) -> Slot:
    return family_of(member).layout(member).slot(SlotName(name), {"data.resolution": edge}, 3)


@pytest.mark.parametrize(
    ("member", "num_params"),
    [
        # weights and biases of 28 * 28 -> 256 -> 256 -> 256 -> 3
        ("mlp-256", 784 * 256 + 2 * 256 * 256 + 256 * 3 + 3 * 256 + 3),
        ("mlp-rgb-512", 3 * 32 * 32 * 512 + 2 * 512 * 512 + 512 * 3 + 3 * 512 + 3),
        # 3 x 3 kernels of 3 -> 32 -> 64 -> 128 channels, then 4 * 4 * 128 -> 256 -> 256 -> 3
        (
            "convnet-32",
            9 * (3 * 32 + 32 * 64 + 64 * 128) + 224 + 2048 * 256 + 256 * 256 + 256 * 3 + 2 * 256 + 3,
        ),
    ],
)
def test_a_root_has_the_parameters_of_its_layers(member: str, num_params: int) -> None:
    assert sum(slot.num_params for slot in slots_of(family_of(member), member)) == num_params


@pytest.mark.parametrize("member", MEMBERS)
def test_every_member_costs_what_pytorch_counts(member: str) -> None:
    family = family_of(member)
    slots = slots_of(family, member)
    counted = counted_flops(family, slots, images_of(edge_of(member), 1))
    assert counted == {slot.name: slot.flops for slot in slots}


@pytest.mark.parametrize("member", TINY)
@pytest.mark.parametrize("trainable", ["head", "dense_0", "dense_1 head", "all"])
def test_training_costs_what_pytorch_counts(member: str, trainable: str) -> None:
    family = family_of(member)
    slots = slots_of(family, member)
    chosen = {s.name for s in slots} if trainable == "all" else {*names(trainable)}
    network = assemble(family, slots, random_components(family, slots), frozenset(chosen))
    with FlopCounterMode(display=False) as counter:
        network(images_of(edge_of(member), 1)).sum().backward()
    assert training_flops([(s, s.name in chosen) for s in slots]) == counter.get_total_flops()


def test_an_mlp_is_the_plain_stack_on_grey_pixels() -> None:
    family = family_of("mlp-tiny-test")
    slots = slots_of(family, "mlp-tiny-test")
    components = random_components(family, slots)
    modules: list[nn.Module] = [nn.Flatten()]
    for slot in slots:
        layer = nn.Linear(components[slot.name]["weight"][0].numel(), len(components[slot.name]["bias"]))
        weight = components[slot.name]["weight"].flatten(1)
        layer.load_state_dict({"weight": weight, "bias": components[slot.name]["bias"]})
        modules += [layer, nn.ReLU()]
    images = images_of(8)
    expected = nn.Sequential(*modules[:-1])(images.mean(dim=1))
    torch.testing.assert_close(assemble(family, slots, components)(images), expected)


def test_only_rgb_members_see_colours() -> None:
    turned = images_of(32).roll(1, dims=1)
    for member, sees in (("mlp-128", False), ("mlp-rgb-512", True)):
        family = family_of(member)
        slots = [slot_at(member, name, 32) for name in family.layout(member).root_slots()]
        network = assemble(family, slots, random_components(family, slots))
        assert torch.allclose(network(turned), network(images_of(32)), atol=1e-4) is not sees


def test_a_convnet_is_the_plain_stack() -> None:
    family = family_of("convnet-tiny-test")
    slots = slots_of(family, "convnet-tiny-test")
    components = random_components(family, slots)
    modules: list[nn.Module] = []
    for slot in slots:
        weight, bias = components[slot.name]["weight"], components[slot.name]["bias"]
        outputs, inputs = weight.shape[0], weight[0].numel()
        if slot.kind == "conv":
            layer: nn.Module = nn.Conv2d(weight.shape[1], outputs, 3, padding=1)
            modules += [layer, nn.ReLU(), nn.MaxPool2d(2)]
        else:
            weight, layer = weight.flatten(1), nn.Linear(inputs, outputs)
            modules += [nn.Flatten(), layer, nn.ReLU()]
        layer.load_state_dict({"weight": weight, "bias": bias})
    expected = nn.Sequential(*modules[:-1])(images_of(16))
    torch.testing.assert_close(assemble(family, slots, components)(images_of(16)), expected)


@pytest.mark.parametrize("member", ["mlp-256", "convnet-32"])
def test_signals_neither_grow_nor_fade_on_their_way_up(member: str) -> None:
    family = family_of(member)
    slots = slots_of(family, member)
    components = random_components(family, slots)
    x = torch.randn(8, 3, edge_of(member), edge_of(member), generator=Generator().manual_seed(0))
    for slot in slots[:-1]:
        before, x = x, family.apply(slot, components[slot.name], x)
        assert 0.4 < float(x.square().mean() / before.square().mean()) < 4, slot.name
        assert not components[slot.name]["bias"].any()


@pytest.mark.parametrize(
    ("member", "smallest", "removable"),
    [("mlp-128", "dense_0 head", 3), ("convnet-16", "conv_0 conv_1 conv_2 dense_0 head", 2)],
)
def test_dense_layers_leave_from_the_top_and_one_stays(member: str, smallest: str, removable: int) -> None:
    layout = family_of(member).layout(member)
    slots = slots_of(family_of(member), member)
    assert [slot.name for slot in slots if slot.removable] == [f"dense_{i}" for i in range(removable)]
    layout.check(names(smallest))
    for wrong in ("head", smallest.replace("dense_0", "dense_1"), smallest.replace("dense_0 ", "")):
        with pytest.raises(
            BadValueError, match=f"is not a model of {member}: it is .*dense_1 may be left out"
        ):
            layout.check(names(wrong))


@pytest.mark.parametrize("member", TINY)
def test_a_resampled_layer_sees_a_plain_image_as_before(member: str) -> None:
    family, edge = family_of(member), edge_of(member)
    small, large = slot_at(member, "dense_0", edge), slot_at(member, "dense_0", 2 * edge)
    tensors = family.init(small, Generator().manual_seed(0))
    colours = torch.ones(2, 3 if small.kind == "pixels" else small.shapes["weight"][1], 1, 1)
    before, after = (
        family.apply(slot, family.resize(slot, tensors), colours.expand(-1, -1, *slot.shapes["weight"][2:]))
        for slot in (small, large)
    )
    torch.testing.assert_close(after, before)
    assert before.any()


def test_a_component_of_another_width_is_not_resized() -> None:
    family = family_of("mlp-128")
    other = family.init(slot_at("mlp-256", "dense_0", 28), Generator().manual_seed(0))
    with pytest.raises(BadValueError, match="1 channels and 128 outputs, the component for 1 and 256"):
        family.resize(slot_at("mlp-128", "dense_0", 32), other)


@pytest.mark.parametrize("value", [None, 0, -8, 28.0, "28", True])
def test_a_resolution_that_is_none_is_refused(value: int | None) -> None:
    hparams: Hparams = {} if value is None else {"data.resolution": value}
    for member in ("mlp-256", "convnet-32"):
        with pytest.raises(BadValueError, match=rf"{member} needs square images.*, got {value!r}"):
            family_of(member).layout(member).slot(SlotName("head"), hparams, 3)


def test_poolings_must_halve_the_resolution_without_a_rest() -> None:
    with pytest.raises(BadValueError, match=r"data\.resolution must be a positive multiple of 8, got 28"):
        slot_at("convnet-32", "conv_0", 28)


def test_unknown_members_and_slots_list_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"no backbone named 'mlp-255'.*Did you mean 'mlp-256'"):
        family_of("mlp-255")
    with pytest.raises(UnknownNameError, match="no slot of convnet-32 named 'conv_3'"):
        slot_at("convnet-32", "conv_3", 32)


@pytest.mark.parametrize("member", TINY)
def test_weights_files_are_refused(member: str, tmp_path: Path) -> None:
    family = family_of(member)
    with pytest.raises(WeightsError, match=f"no public weights for {member}. Start from random ones"):
        family.read_weights(tmp_path / "some.safetensors", member)
    with pytest.raises(WeightsError, match=f"{member} cannot be pretrained"):
        family.write_weights({}, member)


def test_layouts_import_no_torch() -> None:
    for module in (mlp_layout, convnet_layout, stacks):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        imported += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
        assert imported
        assert not any(name.startswith("torch") for name in imported)


@pytest.mark.parametrize("contiguous", [True, False])
def test_convolutions_with_channels_side_by_side_compute_the_same(contiguous: bool) -> None:
    family = family_of("convnet-tiny-test")
    slot = CONVNETS["convnet-tiny-test"].slot(SlotName("conv_1"), {"data.resolution": 16}, 2)
    tensors = {name: t.requires_grad_() for name, t in family.init(slot, Generator().manual_seed(0)).items()}
    x_BCHW = torch.rand(5, 4, 8, 8, generator=Generator().manual_seed(1))
    given = x_BCHW if contiguous else x_BCHW.contiguous(memory_format=torch.channels_last)
    made = family.apply(slot, tensors, given)
    plain = functional.conv2d(x_BCHW, tensors["weight"], tensors["bias"], padding=1)
    expected = functional.relu(functional.max_pool2d(plain, 2))
    # Sums over 36 products in another order: a few units in the last place.
    torch.testing.assert_close(made, expected, rtol=1e-5, atol=1e-6)
    grads = torch.autograd.grad(made.sum(), list(tensors.values()))
    for grad, wanted in zip(grads, torch.autograd.grad(expected.sum(), list(tensors.values())), strict=True):
        torch.testing.assert_close(grad, wanted, rtol=1e-5, atol=1e-5)
