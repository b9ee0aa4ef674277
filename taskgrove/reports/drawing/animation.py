"""Frames as a GIF."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image

_LINGER_MS = 4_000


def gif(frames: Sequence[Image.Image], frame_ms: int) -> bytes:
    """The frames as a GIF that repeats for ever; of each only what differs from the one before is kept.

    Args:
        frames: At least one, of one size and with one palette.
        frame_ms: How long each is shown, in steps of 10; the last one is shown for longer.
    """
    out = BytesIO()
    frames[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[*[frame_ms] * (len(frames) - 1), _LINGER_MS],
        loop=0,
        optimize=False,
    )
    return out.getvalue()
