"""The forward pass of each kind of slot, as pure functions of its tensors.

Shape suffixes: B batch, C channels, H height, W width, N patches, P patch edge, T tokens, D width,
K classes. Inside the attention H is the number of heads and E the width of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from taskgrove.backbones.base import Tensors

_EPSILON = 1e-6
FUSED_ABOVE = 256
"""Tokens above which attention uses PyTorch's fused kernel.

Two cores, forward and backward: batched products are 1.5 to 9 times faster up to 65 tokens, equal at
197 and 0.6 times as fast at 577 in fp32, where they also need memory for all T × T weights.
"""


def embed(tensors: Tensors, images_BCHW: Tensor) -> Tensor:
    """Patch embeddings (B, N, D), row by row.

    A dense layer on unfolded patches: the backward pass of the equivalent convolution takes a third
    of a whole training step on a CPU.
    """
    weight_DCPP = tensors["weight"]
    patch = weight_DCPP.shape[-1]
    B, C, H, W = images_BCHW.shape
    grid = images_BCHW.reshape(B, C, H // patch, patch, W // patch, patch)
    patches_BNX = grid.permute(0, 2, 4, 1, 3, 5).reshape(B, -1, C * patch * patch)
    return functional.linear(patches_BNX, weight_DCPP.flatten(1), tensors["bias"])


def prepend_class_token(tensors: Tensors, x_BND: Tensor) -> Tensor:
    """Tokens (B, 1 + N, D), the class token first."""
    token_B1D = tensors["token"].expand(len(x_BND), 1, -1)
    return torch.cat([token_B1D, x_BND], dim=1)


def add_positions(tensors: Tensors, x_BTD: Tensor) -> Tensor:
    """Tokens (B, T, D) that know their place."""
    return x_BTD + tensors["embedding"]


def block(tensors: Tensors, x_BTD: Tensor) -> Tensor:
    """Pre-norm attention and MLP, each added to its input."""
    x_BTD = x_BTD + _attend(tensors, _normalise(x_BTD, tensors["norm1_weight"], tensors["norm1_bias"]))
    return _mlp(tensors, x_BTD)


def block_for_class_token(tensors: Tensors, x_BTD: Tensor) -> Tensor:
    """The class token (B, 1, D) after a block, when nobody reads the other tokens any more.

    All tokens still give keys and values; queries, projection and MLP are those of one token, which
    saves 2/3 of the block's products at 5 tokens and up to 5/6 at many.
    """
    inner_BTD = _normalise(x_BTD, tensors["norm1_weight"], tensors["norm1_bias"])
    weight_3HED, bias_3HE = tensors["qkv_weight"], tensors["qkv_bias"]
    H, E = bias_3HE.shape[1:]
    q = functional.linear(inner_BTD[:, 0], weight_3HED[0].flatten(0, 1), bias_3HE[0].flatten())
    kv = functional.linear(inner_BTD, weight_3HED[1:].flatten(0, 2), bias_3HE[1:].flatten())
    k, v = kv.reshape(*kv.shape[:2], 2, H, E).permute(2, 0, 3, 1, 4).contiguous().unbind(0)
    mixed_BHTE = attention(q.reshape(-1, H, 1, E), k, v)
    mixed_B1D = mixed_BHTE.transpose(1, 2).flatten(2)
    return _mlp(
        tensors,
        x_BTD[:, :1] + functional.linear(mixed_B1D, tensors["proj_weight"], tensors["proj_bias"]),
    )


def adapter(tensors: Tensors, x_BTD: Tensor) -> Tensor:
    """Residual adapter (001, §3): a bottleneck added to its input."""
    inner = _normalise(x_BTD, tensors["norm_weight"], tensors["norm_bias"])
    inner = functional.gelu(functional.linear(inner, tensors["down_weight"], tensors["down_bias"]))
    return x_BTD + functional.linear(inner, tensors["up_weight"], tensors["up_bias"])


def normalise_class_token(tensors: Tensors, x_BTD: Tensor) -> Tensor:
    """The normalised class token (B, D); the other tokens end here."""
    return _normalise(x_BTD[:, 0], tensors["weight"], tensors["bias"])


def classify(tensors: Tensors, x_BD: Tensor) -> Tensor:
    """Logits (B, K)."""
    return functional.linear(x_BD, tensors["weight"], tensors["bias"])


def attention(q_BHTE: Tensor, k_BHTE: Tensor, v_BHTE: Tensor) -> Tensor:
    """Softmax attention (B, H, T, E), by whichever way is faster for this many tokens."""
    T, E = q_BHTE.shape[-2:]
    if T > FUSED_ABOVE:
        return functional.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE)
    scores_BHTT = q_BHTE @ k_BHTE.transpose(-2, -1)
    return torch.softmax(scores_BHTT * E**-0.5, dim=-1) @ v_BHTE


def _attend(tensors: Tensors, x_BTD: Tensor) -> Tensor:
    weight_3HED = tensors["qkv_weight"]
    qkv = functional.linear(x_BTD, weight_3HED.flatten(0, 2), tensors["qkv_bias"].flatten())
    qkv_BT3HE = qkv.reshape(*qkv.shape[:2], *weight_3HED.shape[:3])
    # Contiguous, which is faster, and since a product of strided matrices may round an image's values
    # in another way for another place of the image in the batch.
    q, k, v = qkv_BT3HE.permute(2, 0, 3, 1, 4).contiguous().unbind(0)
    mixed_BTD = attention(q, k, v).transpose(1, 2).flatten(2)
    return functional.linear(mixed_BTD, tensors["proj_weight"], tensors["proj_bias"])


def _mlp(tensors: Tensors, x_BTD: Tensor) -> Tensor:
    """The second half of a block, added to its input."""
    inner = _normalise(x_BTD, tensors["norm2_weight"], tensors["norm2_bias"])
    inner = functional.gelu(functional.linear(inner, tensors["fc1_weight"], tensors["fc1_bias"]))
    return x_BTD + functional.linear(inner, tensors["fc2_weight"], tensors["fc2_bias"])


def _normalise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return functional.layer_norm(x, weight.shape, weight, bias, _EPSILON)


LAYERS: Mapping[str, Callable[[Tensors, Tensor], Tensor]] = {
    "embedding": embed,
    "cls": prepend_class_token,
    "pos": add_positions,
    "block": block,
    "adapter": adapter,
    "norm": normalise_class_token,
    "head": classify,
}
"""By kind of slot."""
