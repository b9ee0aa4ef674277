"""Representational similarity analysis (Kriegeskorte et al., 2008), as in 004, §3."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from taskgrove.trainer.similarity.base import AbstractDissimilarity
from taskgrove.trainer.similarity.gram import Gram


@final
class Rsa(AbstractDissimilarity):
    """1 − Spearman's ρ between the two layers' dissimilarities of every two samples, which are 1 − Pearson.

    In [0, 2]; 1 when the orders are unrelated, or when one layer sees no differences at all.
    """

    name: ClassVar[str] = "rsa"
    summary: ClassVar[str] = "1 − rank correlation of the two layers' dissimilarity matrices (004)"

    def between(self, one: Gram, other: Gram) -> float:
        ranks = [_ranks(_pairs(1.0 - gram.correlations())) for gram in (one, other)]
        x, y = (rank - rank.mean() for rank in ranks)
        spread = float(x.norm() * y.norm())
        return 1.0 - (float(x @ y) / spread if spread > 0 else 0.0)


def _pairs(square_NN: Tensor) -> Tensor:
    """The upper triangle without the diagonal."""
    num_samples = len(square_NN)
    rows, columns = torch.triu_indices(num_samples, num_samples, offset=1, device=square_NN.device)
    return square_NN[rows, columns]


def _ranks(values: Tensor) -> Tensor:
    """Ranks from 0, equal values sharing the mean of theirs; float64."""
    _, place, counts = torch.unique(values, return_inverse=True, return_counts=True)
    ranks: Tensor = counts.cumsum(0).double() - (counts.double() + 1) / 2
    return ranks[place]
