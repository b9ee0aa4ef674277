"""A vision transformer written without Taskgrove, with timm's parameter names, and the files it makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional


class PlainAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part.reshape(*part.shape[:2], self.heads, -1).transpose(1, 2)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        projected: Tensor = self.proj(mixed.transpose(1, 2).reshape(x.shape))
        return projected


class PlainMlp(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return projected


class PlainBlock(nn.Module):
    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = PlainAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = PlainMlp(width, inner)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        summed: Tensor = x + self.mlp(self.norm2(x))
        return summed


class PatchEmbed(nn.Module):
    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)


class PlainVit(nn.Module):
    """Random in every parameter, so that a misplaced one shows."""

    def __init__(
        self, *, width: int, depth: int, heads: int, inner: int, patch: int, grid: int, classes: int = 5
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(width, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + grid * grid, width))
        self.blocks = nn.Sequential(*(PlainBlock(width, heads, inner) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)
        generator = torch.Generator().manual_seed(width + depth)
        for parameter in self.parameters():
            nn.init.normal_(parameter, 0.0, 0.2, generator=generator)

    def forward(self, images: Tensor, num_blocks: int | None = None) -> Tensor:
        x = self.patch_embed.proj(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        logits: Tensor = self.head(self.norm(self.blocks[:num_blocks](x))[:, 0])
        return logits


def tiny_plain_vit(depth: int = 2, grid: int = 2) -> PlainVit:
    """Of the size of `vit-tiny-test`."""
    return PlainVit(width=16, depth=depth, heads=2, inner=32, patch=4, grid=grid)


def save_timm(vit: PlainVit, path: Path) -> Path:
    save_file(vit.state_dict(), path)
    return path


def save_augreg(vit: PlainVit, path: Path) -> Path:
    np.savez(path, allow_pickle=False, **augreg_arrays(vit))
    return path


def augreg_arrays(vit: PlainVit) -> dict[str, NDArray[np.float32]]:
    """The same weights by AugReg's names: kernels input first, queries, keys and values apart."""
    tensors: dict[str, Tensor] = {
        "embedding/kernel": vit.patch_embed.proj.weight.permute(2, 3, 1, 0),
        "embedding/bias": vit.state_dict()["patch_embed.proj.bias"],
        "cls": vit.cls_token,
        "Transformer/posembed_input/pos_embedding": vit.pos_embed,
        "Transformer/encoder_norm/scale": vit.norm.weight,
        "Transformer/encoder_norm/bias": vit.norm.bias,
        "head/kernel": vit.head.weight.T,
        "head/bias": vit.head.bias,
    }
    for i, block in enumerate(vit.blocks.children()):
        assert isinstance(block, PlainBlock)
        tensors |= {f"Transformer/encoderblock_{i}/{n}": t for n, t in _augreg_block(block).items()}
    return {name: t.detach().contiguous().numpy() for name, t in tensors.items()}


def _augreg_block(block: PlainBlock) -> dict[str, Tensor]:
    heads, width = block.attn.heads, block.attn.proj.in_features
    attention = "MultiHeadDotProductAttention_1"
    tensors = {
        "LayerNorm_0/scale": block.norm1.weight,
        "LayerNorm_0/bias": block.norm1.bias,
        "LayerNorm_2/scale": block.norm2.weight,
        "LayerNorm_2/bias": block.norm2.bias,
        f"{attention}/out/kernel": block.attn.proj.weight.T.reshape(heads, -1, width),
        f"{attention}/out/bias": block.attn.proj.bias,
        "MlpBlock_3/Dense_0/kernel": block.mlp.fc1.weight.T,
        "MlpBlock_3/Dense_0/bias": block.mlp.fc1.bias,
        "MlpBlock_3/Dense_1/kernel": block.mlp.fc2.weight.T,
        "MlpBlock_3/Dense_1/bias": block.mlp.fc2.bias,
    }
    for j, name in enumerate(("query", "key", "value")):
        rows = slice(j * width, (j + 1) * width)
        tensors[f"{attention}/{name}/kernel"] = block.attn.qkv.weight[rows].T.reshape(width, heads, -1)
        tensors[f"{attention}/{name}/bias"] = block.attn.qkv.bias[rows].reshape(heads, -1)
    return tensors
