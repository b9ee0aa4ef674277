"""The vision transformer of the peers: timm's where it is installed, else one written in timm's way."""

from __future__ import annotations

from importlib import import_module, util
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def vision_transformer(settings: dict[str, Any]) -> tuple[str, nn.Module]:
    """A model and its name.

    Args:
        settings: `resolution`, `patch_size`, `width`, `depth`, `heads`, `mlp_width`, `num_classes`.
    """
    if util.find_spec("timm") is None:
        return "a plain ViT in timm's way (timm is not installed)", PlainViT(settings)
    declare_operators()
    timm = import_module("timm")
    model: nn.Module = timm.models.vision_transformer.VisionTransformer(
        img_size=settings["resolution"],
        patch_size=settings["patch_size"],
        embed_dim=settings["width"],
        depth=settings["depth"],
        num_heads=settings["heads"],
        mlp_ratio=settings["mlp_width"] / settings["width"],
        num_classes=settings["num_classes"],
    )
    return f"timm {timm.__version__}", model


def declare_operators() -> None:
    """Name torchvision's two operators for boxes, without which it refuses to be imported.

    Its wheels from PyPI are built for CUDA and cannot load their operators beside a torch for CPUs; no
    classifier calls them.
    """
    try:
        import_module("torchvision")
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(f"{name}{_SCHEMA}")  # type: ignore[no-untyped-call]
        _KEPT.append(library)


_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_KEPT: list[torch.library.Library] = []
"""A declaration ends with the object that made it."""


class PlainViT(nn.Module):
    """PyTorch's own modules put together as timm does."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        width, patch = settings["width"], settings["patch_size"]
        tokens = (settings["resolution"] // patch) ** 2 + 1
        self.embed = nn.Conv2d(3, width, patch, stride=patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, tokens, width) * 0.02)
        blocks = (Block(width, settings["heads"], settings["mlp_width"]) for _ in range(settings["depth"]))
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, settings["num_classes"])

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Logits (B, K)."""
        x_BND = self.embed(images_BCHW).flatten(2).transpose(1, 2)
        x_BTD = torch.cat([self.token.expand(len(x_BND), -1, -1), x_BND], dim=1) + self.positions
        logits: Tensor = self.head(self.norm(self.blocks(x_BTD))[:, 0])
        return logits


class Block(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, mlp_width), nn.GELU(), nn.Linear(mlp_width, width))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Tokens (B, T, D)."""
        B, T, D = x_BTD.shape
        qkv = self.qkv(self.norm1(x_BTD)).reshape(B, T, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*qkv.unbind(0))
        x_BTD = x_BTD + self.proj(mixed.transpose(1, 2).reshape(B, T, D))
        grown: Tensor = x_BTD + self.mlp(self.norm2(x_BTD))
        return grown
