"""The forward pass, initial tensors and resampling of vision transformers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor
from torch.nn import functional

from taskgrove.backbones.families.vit import layers
from taskgrove.backbones.families.vit.initial import initialise
from taskgrove.backbones.families.vit.members import layout_of
from taskgrove.backbones.families.vit.positions import resample
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import SlotName


def seeded(*shape: int) -> Tensor:
    return torch.randn(shape, generator=Generator().manual_seed(sum(shape)))


def initial(slot: str, member: str = "vit-ti3", seed: int = 0) -> dict[str, Tensor]:
    shapes = layout_of(member).slot(SlotName(slot), {"data.resolution": 32}, 10)
    return initialise(shapes, Generator().manual_seed(seed))


def test_patch_embedding_is_the_convolution() -> None:
    weight, bias, images = seeded(6, 3, 4, 4), seeded(6), seeded(2, 3, 12, 12)
    convolved = functional.conv2d(images, weight, bias, stride=4).flatten(2).transpose(1, 2)
    torch.testing.assert_close(layers.embed({"weight": weight, "bias": bias}, images), convolved)


@pytest.mark.parametrize("num_tokens", [2, 5, 50, layers.FUSED_ABOVE, layers.FUSED_ABOVE + 1, 577])
def test_attention_is_the_same_on_both_sides_of_the_bound(num_tokens: int) -> None:
    q, k, v = (seeded(2, 3, num_tokens, 8 + i)[..., :8].requires_grad_() for i in range(3))
    results = []
    for function in (layers.attention, functional.scaled_dot_product_attention):
        mixed = function(q, k, v)
        results.append((mixed, *torch.autograd.grad(mixed.square().sum(), (q, k, v))))
    for ours, fused in zip(*results, strict=True):
        torch.testing.assert_close(ours, fused, rtol=1e-4, atol=1e-5)


def test_the_class_token_comes_first_and_alone_reaches_the_head() -> None:
    x = layers.prepend_class_token({"token": torch.full((8,), 3.0)}, seeded(2, 4, 8))
    assert torch.equal(x[:, 0], torch.full((2, 8), 3.0))
    norm = {"weight": torch.ones(8), "bias": torch.zeros(8)}
    expected = functional.layer_norm(x[:, 0], (8,), eps=1e-6)
    assert torch.equal(layers.normalise_class_token(norm, x), expected)


def test_gelu_is_exact() -> None:
    eye, zero = torch.eye(4), torch.zeros(4)
    dense = {"down_weight": eye, "down_bias": zero, "up_weight": eye, "up_bias": zero}
    norm = {"norm_weight": torch.zeros(4), "norm_bias": torch.tensor([-1.0, 0.5, 1.0, 2.0])}
    erf = [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in (-1.0, 0.5, 1.0, 2.0)]
    actual = layers.adapter(dense | norm, torch.zeros(1, 1, 4))
    torch.testing.assert_close(actual[0, 0], torch.tensor(erf), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("slot", ["embedding", "cls", "pos", "adapter_0", "block_0", "norm", "head"])
def test_a_layer_in_bf16_stays_in_bf16(slot: str) -> None:
    inputs = {"embedding": (2, 3, 32, 32), "cls": (2, 4, 192), "head": (2, 192)}
    x = seeded(*inputs.get(slot, (2, 5, 192)))
    tensors = initial(slot)
    layer = layers.LAYERS[slot.partition("_")[0]]
    half = layer({name: t.bfloat16() for name, t in tensors.items()}, x.bfloat16())
    assert half.dtype is torch.bfloat16
    torch.testing.assert_close(half.float(), layer(tensors, x), rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("slot", "tensor", "std"),
    [
        ("embedding", "weight", 768**-0.5),
        ("pos", "embedding", 0.02),
        ("block_0", "qkv_weight", 192**-0.5),
        ("block_0", "proj_weight", 192**-0.5),
        ("block_0", "fc1_weight", (2 / (192 + 768)) ** 0.5),
        ("block_0", "fc2_weight", (2 / (192 + 768)) ** 0.5),
        ("block_0", "fc1_bias", 1e-6),
        ("adapter_0", "down_weight", 192**-0.5),
    ],
)
def test_initial_spread_is_that_of_augreg(slot: str, tensor: str, std: float) -> None:
    assert initial(slot)[tensor].std().item() == pytest.approx(std, rel=0.08)


def test_what_starts_at_zero_or_one() -> None:
    zeros = [("embedding", "bias"), ("cls", "token"), ("block_0", "qkv_bias"), ("block_0", "proj_bias")]
    zeros += [("adapter_0", "up_weight"), ("adapter_0", "up_bias"), ("head", "weight"), ("head", "bias")]
    ones = [("block_0", "norm1_weight"), ("block_0", "norm2_weight"), ("adapter_0", "norm_weight")]
    assert not any(initial(slot)[tensor].any() for slot, tensor in zeros)
    assert all((initial(slot)[tensor] == 1).all() for slot, tensor in [*ones, ("norm", "weight")])


def test_initial_tensors_leave_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    initial("block_0")
    initial("embedding")
    assert torch.equal(before, torch.random.get_rng_state())


def test_resampling_is_bilinear_between_coinciding_corners() -> None:
    positions = torch.tensor([[9.0], [0.0], [2.0], [4.0], [6.0]])
    expected = [9.0, 0, 1, 2, 2, 3, 4, 4, 5, 6]
    assert resample(positions, 10).flatten().tolist() == expected


def test_resampling_down_keeps_class_token_and_corners() -> None:
    positions = torch.cat([torch.tensor([[9.0]]), torch.arange(9.0)[:, None]])
    assert resample(positions, 5).flatten().tolist() == [9.0, 0, 2, 6, 8]
    assert resample(positions, 2).flatten().tolist() == [9.0, 0]


def test_resampling_to_the_same_grid_copies() -> None:
    positions = seeded(5, 8)
    copy = resample(positions, 5)
    assert torch.equal(copy, positions)
    assert copy.data_ptr() != positions.data_ptr()


@pytest.mark.parametrize(("rows", "num_tokens"), [(1, 5), (4, 5), (5, 7), (5, 1), (0, 5)])
def test_tokens_that_are_no_square_and_one_are_refused(rows: int, num_tokens: int) -> None:
    with pytest.raises(BadValueError, match="1 \\+ n²"):
        resample(torch.zeros(rows, 8), num_tokens)
