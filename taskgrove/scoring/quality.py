"""Score by quality alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from taskgrove.scoring.base import AbstractScore, Cost


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class QualityScore(AbstractScore):
    """The validation accuracy itself: s = 1 in every equation of the papers."""

    count_roots: bool = True

    def factor(self, cost: Cost) -> float:
        return 1.0
