"""Linear centred kernel alignment (Kornblith et al., 2019)."""

from __future__ import annotations

from typing import ClassVar, final

from taskgrove.trainer.similarity.base import AbstractDissimilarity
from taskgrove.trainer.similarity.gram import Gram


@final
class LinearCka(AbstractDissimilarity):
    """1 − linear CKA, in [0, 1]; blind to rotations of the features, which RSA is not.

    1 when one layer sees no differences at all.
    """

    name: ClassVar[str] = "cka"
    summary: ClassVar[str] = "1 − linear centred kernel alignment"

    def between(self, one: Gram, other: Gram) -> float:
        k, m = one.centred(), other.centred()
        spread = float(k.norm() * m.norm())
        return 1.0 - (min(1.0, float((k * m).sum()) / spread) if spread > 0 else 0.0)
