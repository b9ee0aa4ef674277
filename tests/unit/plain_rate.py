"""The cosine schedule as a newcomer would write it."""

from __future__ import annotations

import math


def plain_cosine(step: int, num_steps: int, peak: float, warmup: float) -> float:
    """The rate of a step, from 0: equal rises over the warm-up, then half a cosine down."""
    num_warm = math.floor(warmup * num_steps)
    if step < num_warm:
        rise = peak / (num_warm + 1)
        return rise * (step + 1)
    gone = (step - num_warm) / (num_steps - num_warm)
    return peak * math.cos(gone * math.pi / 2) ** 2
