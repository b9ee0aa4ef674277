"""The sizes of vision transformers and the resolutions that they are searched over; imports no torch."""

from __future__ import annotations

from taskgrove.backbones.families.vit.layout import RESOLUTION, VitLayout
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.hparams import Choice, Space


def _layout(
    member: str, *, width: int, depth: int, heads: int, mlp_width: int = 0, patch_size: int = 16
) -> VitLayout:
    return VitLayout(
        member=member,
        width=width,
        depth=depth,
        heads=heads,
        mlp_width=mlp_width or 4 * width,
        patch_size=patch_size,
    )


_LAYOUTS = (
    _layout("vit-tiny-test", width=16, depth=2, heads=2, mlp_width=32, patch_size=4),
    _layout("vit-ti3", width=192, depth=3, heads=3),
    _layout("vit-ti", width=192, depth=12, heads=3),
    _layout("vit-s", width=384, depth=12, heads=6),
    _layout("vit-b", width=768, depth=12, heads=12),
    _layout("vit-l", width=1024, depth=24, heads=16),
)
LAYOUTS = {layout.member: layout for layout in _LAYOUTS}
"""By member; the first is tiny and serves tests. `vit-ti3` is T3, Ti/16 cut to three blocks (001, §3)."""

_SMALL = tuple(range(16, 113, 16))
_RESOLUTIONS = {
    "vit-tiny-test": ((8, 12, 16), 8),
    "vit-ti3": (_SMALL, 32),
    "vit-ti": (_SMALL, 80),
    "vit-s": (_SMALL, 80),
    "vit-b": (_SMALL, 80),
    "vit-l": ((224, 384), 384),
}


def layout_of(member: str) -> VitLayout:
    """The structure of `member`; raises UnknownNameError."""
    if member not in LAYOUTS:
        raise UnknownNameError.of("vision transformer", member, LAYOUTS)
    return LAYOUTS[member]


def space_of(member: str) -> Space:
    """The image resolutions of `member` (000, Table 1); raises UnknownNameError."""
    values, default = _RESOLUTIONS[layout_of(member).member]
    return Space((Choice(name=RESOLUTION, values=values, default=default),))
