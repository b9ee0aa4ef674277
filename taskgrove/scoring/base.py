"""What a score is: validation quality times a factor that is known before training."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a model costs the system.

    Attributes:
        accounted_params: Its parameters, each divided by the number of models that share it (Eq. 2).
        flops: Of one image's forward pass.
    """

    accounted_params: float
    flops: int


class AbstractScore(ABC):
    """Turns quality and cost into the number that agents maximise.

    The factor is constant during a child's training, so the order of its versions by quality is
    their order by score, and a parent's score becomes a bar on the child's quality.
    """

    count_roots: bool
    """Whether a root model counts as a sharer of its components."""

    @abstractmethod
    def factor(self, cost: Cost) -> float:
        """The cost factor, in (0, 1]; never increasing in either cost."""

    def score(self, quality: float, cost: Cost) -> float:
        """`quality` (validation accuracy in [0, 1]) times the factor."""
        return quality * self.factor(cost)

    def bar(self, target: float, cost: Cost, *, strict: bool = False) -> float:
        """The least quality whose score reaches `target`, or exceeds it when `strict`.

        A hair beside the exact value, which rounding can miss; qualities are fractions of at most
        some thousands of images, so nothing lies between.
        """
        exact = target / self.factor(cost)
        return max(exact * (1.0 + 1e-12), sys.float_info.min) if strict else exact * (1.0 - 1e-12)
