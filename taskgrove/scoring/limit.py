"""The best quality within hard limits of size and compute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from taskgrove.domain.errors import BadValueError
from taskgrove.scoring.base import AbstractScore, Cost

BEYOND = 1e-6
"""Factor of a model at the edge of a limit it breaks: no such model beats one within the limits."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class LimitScore(AbstractScore):
    """score = q within the limits; beyond them q · 10⁻⁶ divided by the excess.

    The papers bound cost only by decay. Beyond a limit the score falls with the excess, so that a
    search that begins there, since the root is too large, finds its way in.

    Attributes:
        max_params: Most accounted parameters; None for no limit.
        max_flops: Most FLOPs of one image's forward pass; None for no limit.
        count_roots: Whether roots count as sharers.
    """

    max_params: float | None = None
    max_flops: float | None = None
    count_roots: bool = True

    def __post_init__(self) -> None:
        limits = (("max_params", self.max_params), ("max_flops", self.max_flops))
        for name, value in limits:
            if value is not None and not (math.isfinite(value) and value > 0):
                raise BadValueError(f"score.{name} must be positive and finite, got {value}.")
        if self.max_params is None and self.max_flops is None:
            raise BadValueError("A score of form 'limit' needs score.max_params, score.max_flops or both.")

    def factor(self, cost: Cost) -> float:
        excess = 1.0
        if self.max_params is not None:
            excess *= max(1.0, cost.accounted_params / self.max_params)
        if self.max_flops is not None:
            excess *= max(1.0, cost.flops / self.max_flops)
        return 1.0 if excess == 1.0 else BEYOND / excess
