"""What a measure of dissimilarity between two layers is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from taskgrove.trainer.similarity.gram import Gram


class AbstractDissimilarity(ABC):
    """Compares what two layers make of the same samples, whatever their widths; has no state."""

    name: ClassVar[str]
    """Registered name."""
    summary: ClassVar[str]
    """One line for people."""

    @abstractmethod
    def between(self, one: Gram, other: Gram) -> float:
        """0 for layers that see the samples alike, larger for others; symmetric.

        Args:
            one, other: Of the same samples in the same order.
        """
