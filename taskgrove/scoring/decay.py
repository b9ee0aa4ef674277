"""The multi-factor score of µ2Net+ (Gesmundo, 2022), §3, Eq. 1."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import final

from taskgrove.domain.errors import BadValueError
from taskgrove.scoring.base import AbstractScore, Cost


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DecayScore(AbstractScore):
    """score = q · s^(A/P) · s^(F/F0), with A accounted parameters and F FLOPs.

    Attributes:
        scale: s, in ]0, 1]; 1 switches the factors off.
        params_constant: P; 0 leaves the size factor out (muNet's Eq. 2 is F0 = 0).
        flops_constant: F0; 0 leaves the compute factor out.
        count_roots: Whether roots count as sharers: yes in µ2Net+, no in muNet.
    """

    scale: float
    params_constant: float
    flops_constant: float
    count_roots: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.scale <= 1.0:
            raise BadValueError(f"score.scale must be in ]0, 1], got {self.scale}; 1 means no cost factor.")
        for name, value in (("params", self.params_constant), ("flops", self.flops_constant)):
            if not (math.isfinite(value) and value >= 0):
                raise BadValueError(
                    f"score.{name}_constant must not be negative or infinite, got {value}; 0 leaves it out."
                )

    def factor(self, cost: Cost) -> float:
        exponent = 0.0
        if self.params_constant:
            exponent += cost.accounted_params / self.params_constant
        if self.flops_constant:
            exponent += cost.flops / self.flops_constant
        # A model of absurd cost is worth next to nothing, but stays comparable.
        return max(float(self.scale**exponent), sys.float_info.min)
