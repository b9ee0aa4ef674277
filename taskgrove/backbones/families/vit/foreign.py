"""Where the tensors of a vision transformer stand in the two public file formats.

timm's names in safetensors (Wightman, 2019; `timm/vit_*_augreg_in21k`) and the `.npz` files of AugReg
(Steiner et al., 2021), whose dense kernels are stored input first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from taskgrove.backbones.families.vit.layout import VitLayout

ANY = -1
"""A length that a file may choose: its number of tokens."""


@dataclass(frozen=True, slots=True)
class Source:
    """The tensors of a file that make up one tensor of a component.

    Attributes:
        slot, tensor: What they become.
        names: In the file; several are stacked.
        shape: Of each of them in the file.
        axes: Their order in the component; None keeps the file's.
    """

    slot: str
    tensor: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    axes: tuple[int, ...] | None = None

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether a tensor of the file has the right shape."""
        wanted_found = zip(self.shape, shape, strict=False)
        return len(shape) == len(self.shape) and all(w in (ANY, found) for w, found in wanted_found)

    def read(self, tensors: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
        """The component's tensor of this shape, in float32, contiguous."""
        ordered = [t if self.axes is None else t.permute(self.axes) for t in tensors]
        stacked = torch.stack(ordered) if len(ordered) > 1 else ordered[0]
        return stacked.reshape(shape).to(torch.float32).contiguous()


@dataclass(frozen=True, slots=True)
class Format:
    """A public file format.

    Attributes:
        name: For messages.
        sources: Where it keeps the tensors of a member, without the head.
        head: Prefixes of what belongs to the head; it is not read.
    """

    name: str
    sources: Callable[[VitLayout], tuple[Source, ...]]
    head: tuple[str, ...]


def _timm(layout: VitLayout) -> tuple[Source, ...]:
    D, P = layout.width, layout.patch_size
    return (
        Source("embedding", "weight", ("patch_embed.proj.weight",), (D, 3, P, P)),
        Source("embedding", "bias", ("patch_embed.proj.bias",), (D,)),
        Source("cls", "token", ("cls_token",), (1, 1, D)),
        Source("pos", "embedding", ("pos_embed",), (1, ANY, D)),
        *(source for i in range(layout.depth) for source in _timm_block(layout, i)),
        Source("norm", "weight", ("norm.weight",), (D,)),
        Source("norm", "bias", ("norm.bias",), (D,)),
    )


def _timm_block(layout: VitLayout, i: int) -> Iterator[Source]:
    D, M = layout.width, layout.mlp_width
    outputs_inputs = {"attn.qkv": (3 * D, D), "attn.proj": (D, D), "mlp.fc1": (M, D), "mlp.fc2": (D, M)}
    for norm in ("norm1", "norm2"):
        yield Source(f"block_{i}", f"{norm}_weight", (f"blocks.{i}.{norm}.weight",), (D,))
        yield Source(f"block_{i}", f"{norm}_bias", (f"blocks.{i}.{norm}.bias",), (D,))
    for dense, (width, inputs) in outputs_inputs.items():
        ours = dense.partition(".")[2]
        yield Source(f"block_{i}", f"{ours}_weight", (f"blocks.{i}.{dense}.weight",), (width, inputs))
        yield Source(f"block_{i}", f"{ours}_bias", (f"blocks.{i}.{dense}.bias",), (width,))


def _augreg(layout: VitLayout) -> tuple[Source, ...]:
    D, P = layout.width, layout.patch_size
    return (
        Source("embedding", "weight", ("embedding/kernel",), (P, P, 3, D), axes=(3, 2, 0, 1)),
        Source("embedding", "bias", ("embedding/bias",), (D,)),
        Source("cls", "token", ("cls",), (1, 1, D)),
        Source("pos", "embedding", ("Transformer/posembed_input/pos_embedding",), (1, ANY, D)),
        *(source for i in range(layout.depth) for source in _augreg_block(layout, i)),
        Source("norm", "weight", ("Transformer/encoder_norm/scale",), (D,)),
        Source("norm", "bias", ("Transformer/encoder_norm/bias",), (D,)),
    )


def _augreg_block(layout: VitLayout, i: int) -> Iterator[Source]:
    D, M, H = layout.width, layout.mlp_width, layout.heads
    slot, prefix, E = f"block_{i}", f"Transformer/encoderblock_{i}", D // H
    attention, mlp = f"{prefix}/MultiHeadDotProductAttention_1", f"{prefix}/MlpBlock_3"
    projections = [f"{attention}/{name}" for name in ("query", "key", "value")]
    for ours, norm in (("norm1", "LayerNorm_0"), ("norm2", "LayerNorm_2")):
        yield Source(slot, f"{ours}_weight", (f"{prefix}/{norm}/scale",), (D,))
        yield Source(slot, f"{ours}_bias", (f"{prefix}/{norm}/bias",), (D,))
    kernels = tuple(f"{projection}/kernel" for projection in projections)
    yield Source(slot, "qkv_weight", kernels, (D, H, E), axes=(1, 2, 0))
    yield Source(slot, "qkv_bias", tuple(f"{projection}/bias" for projection in projections), (H, E))
    yield Source(slot, "proj_weight", (f"{attention}/out/kernel",), (H, E, D), axes=(2, 0, 1))
    yield Source(slot, "proj_bias", (f"{attention}/out/bias",), (D,))
    for ours, dense, inputs, width in (("fc1", "Dense_0", D, M), ("fc2", "Dense_1", M, D)):
        yield Source(slot, f"{ours}_weight", (f"{mlp}/{dense}/kernel",), (inputs, width), axes=(1, 0))
        yield Source(slot, f"{ours}_bias", (f"{mlp}/{dense}/bias",), (width,))


TIMM = Format("timm", _timm, head=("head.", "pre_logits."))
AUGREG = Format("AugReg", _augreg, head=("head/", "pre_logits/"))
