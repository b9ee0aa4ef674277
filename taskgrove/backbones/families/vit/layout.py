"""The slots of a vision transformer, their shapes and their cost; imports no torch, for agents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import final

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.hparams import Choice, Hparams, Space
from taskgrove.domain.ids import SlotName
from taskgrove.domain.layout import AbstractLayout, Role, Slot

RESOLUTION = "data.resolution"
ADAPTER_DIM = Choice(name="arch.adapter_dim", values=(8, 16, 32, 64, 128), default=32)
ADAPTER_SPACE = Space((ADAPTER_DIM,))
"""For muNet, the one method that inserts adapters; no part of a member's space."""

_STEM = ("embedding", "cls", "pos")
_TOP = ("norm", "head")
_ROLES = {"norm": Role.HEAD_NORM, "head": Role.HEAD}
_NUMBERED = re.compile(r"(?P<kind>block|adapter)_(0|[1-9][0-9]*)")
_GRAMMAR = (
    "A model is embedding, cls, pos, then blocks numbered from 0 without gaps (at least one), "
    "each with its adapter right before it or none, then norm, head."
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VitLayout(AbstractLayout):
    """The structure of one vision transformer.

    Blocks are removed from the top and one always stays, since without a block the class token never
    sees the image (the authors' notebooks allow that). Adapter i sits right before block i, the first
    block included, as in muNet's notebook; its text has one between any two consecutive blocks.

    Attributes:
        member: The registered name.
        width: Of the token vectors (D).
        depth: Number of blocks of a root.
        heads: Of the attention; divides `width`.
        mlp_width: Inner width of a block's MLP (M).
        patch_size: Edge of a square patch in pixels (P).
    """

    member: str
    width: int
    depth: int
    heads: int
    mlp_width: int
    patch_size: int

    def root_slots(self) -> tuple[SlotName, ...]:
        return self._chain(self.depth, adapters=frozenset())

    def slot(self, name: SlotName, hparams: Hparams, num_classes: int) -> Slot:
        known = _slots(self.depth)
        if name not in known:
            raise UnknownNameError.of(f"slot of {self.member}", name, known)
        kind = _kind(name)
        return Slot(
            name=name,
            kind=kind,
            shapes=self._shapes(kind, hparams, num_classes),
            flops=self._flops(kind, hparams, num_classes),
            product_flops=self._attention_flops(hparams) if kind == "block" else 0,
            deep=kind in ("block", "adapter"),
            role=_ROLES.get(kind, Role.BODY),
            removable=kind == "block",
            resizable=kind == "pos",
            insertable=kind == "adapter",
        )

    def insertable_slots(self, present: Sequence[SlotName]) -> tuple[tuple[SlotName, int], ...]:
        blocks = ((name, i) for i, name in enumerate(present) if _kind(name) == "block")
        pairs = ((SlotName(name.replace("block", "adapter")), i) for name, i in blocks)
        return tuple((adapter, i) for adapter, i in pairs if adapter not in present)

    def check(self, names: Sequence[SlotName]) -> None:
        num_blocks = sum(_kind(name) == "block" for name in names)
        expected = self._chain(min(max(num_blocks, 1), self.depth), adapters=frozenset(names))
        if tuple(names) != expected:
            raise BadValueError(
                f"{list(names)} is not a model of {self.member}: {_difference(names, expected)}. {_GRAMMAR}"
            )

    def num_tokens(self, resolution: int) -> int:
        """Class token and patches (T) of a square image with edges of `resolution` pixels."""
        return (resolution // self.patch_size) ** 2 + 1

    def _chain(self, num_blocks: int, adapters: frozenset[SlotName]) -> tuple[SlotName, ...]:
        """The slots of a model, with those of its possible adapters that are in `adapters`."""
        body = (name for i in range(num_blocks) for name in (f"adapter_{i}", f"block_{i}"))
        kept = (name for name in body if _kind(name) == "block" or name in adapters)
        return tuple(SlotName(name) for name in (*_STEM, *kept, *_TOP))

    def _shapes(self, kind: str, hparams: Hparams, num_classes: int) -> dict[str, tuple[int, ...]]:
        D, A = self.width, _adapter_dim(hparams)
        match kind:
            case "embedding":
                return {"weight": (D, 3, self.patch_size, self.patch_size), "bias": (D,)}
            case "cls":
                return {"token": (D,)}
            case "pos":
                return {"embedding": (self.num_tokens(self._resolution(hparams)), D)}
            case "block":
                return self._block_shapes()
            case "adapter":
                norm = {"norm_weight": (D,), "norm_bias": (D,)}
                return norm | {"down_weight": (A, D), "down_bias": (A,), "up_weight": (D, A), "up_bias": (D,)}
            case "norm":
                return {"weight": (D,), "bias": (D,)}
            case _:
                return {"weight": (num_classes, D), "bias": (num_classes,)}

    def _block_shapes(self) -> dict[str, tuple[int, ...]]:
        """Queries, keys and values are one tensor; its axes tell the number of heads."""
        D, M, H = self.width, self.mlp_width, self.heads
        return {
            "norm1_weight": (D,),
            "norm1_bias": (D,),
            "qkv_weight": (3, H, D // H, D),
            "qkv_bias": (3, H, D // H),
            "proj_weight": (D, D),
            "proj_bias": (D,),
            "norm2_weight": (D,),
            "norm2_bias": (D,),
            "fc1_weight": (M, D),
            "fc1_bias": (M,),
            "fc2_weight": (D, M),
            "fc2_bias": (D,),
        }

    def _flops(self, kind: str, hparams: Hparams, num_classes: int) -> int:
        """Of the matrix products alone, 2 per multiply-add; the rest is below 2 % of T3."""
        D, M, T = self.width, self.mlp_width, self.num_tokens(self._resolution(hparams))
        multiply_adds = {
            "embedding": (T - 1) * 3 * self.patch_size**2 * D,
            "block": T * (4 * D * D + 2 * D * M),
            "adapter": T * 2 * D * _adapter_dim(hparams),
            "head": D * num_classes,
        }
        attention = self._attention_flops(hparams) if kind == "block" else 0
        return 2 * multiply_adds.get(kind, 0) + attention

    def _attention_flops(self, hparams: Hparams) -> int:
        """Of the two products of activations: queries with keys, and weights with values."""
        return 4 * self.num_tokens(self._resolution(hparams)) ** 2 * self.width

    def _resolution(self, hparams: Hparams) -> int:
        value = hparams.get(RESOLUTION)
        if not isinstance(value, int) or value <= 0 or value % self.patch_size:
            raise BadValueError(
                f"{self.member} cuts images into patches of {self.patch_size} pixels, so {RESOLUTION} must "
                f"be a positive multiple of {self.patch_size}, got {value!r}."
            )
        return value


@cache
def _slots(depth: int) -> tuple[SlotName, ...]:
    """All that a model of so many blocks can have; agents ask about slots very often."""
    deep = (name for i in range(depth) for name in (f"adapter_{i}", f"block_{i}"))
    return tuple(SlotName(name) for name in (*_STEM, *deep, *_TOP))


def _kind(name: str) -> str:
    match = _NUMBERED.fullmatch(name)
    return match["kind"] if match else name


def _adapter_dim(hparams: Hparams) -> int:
    value = hparams.get(ADAPTER_DIM.name, ADAPTER_DIM.default)
    if not isinstance(value, int) or value <= 0:
        raise BadValueError(f"{ADAPTER_DIM.name} is a width and must be a positive integer, got {value!r}.")
    return value


def _difference(names: Sequence[SlotName], expected: Sequence[SlotName]) -> str:
    """What is wrong with `names`, in words."""
    found = {
        "missing": [name for name in expected if name not in names],
        "unknown or out of place": [name for name in dict.fromkeys(names) if name not in expected],
        "repeated": [name for name in dict.fromkeys(names) if names.count(name) > 1],
    }
    said = [f"{what}: {', '.join(which)}" for what, which in found.items() if which]
    return "; ".join(said) or "the slots are out of order"
