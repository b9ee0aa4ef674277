"""What all measures need of a layer's activations, gathered block by block in bounded memory."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from taskgrove.domain.errors import BadValueError


@final
class Gram:
    """Inner products of the activations of N samples with each other, summed over features.

    A layer may have millions of activations per sample; only N × N numbers are kept. Sums are in
    float64: products of raw activations are large against the differences that matter.

    Args:
        num_samples: N, at least 3; fewer have no order of dissimilarities.
        device: Where the sums are.
    """

    def __init__(self, num_samples: int, device: torch.device) -> None:
        if num_samples < 3:
            raise BadValueError(f"Networks are compared on at least 3 samples, got {num_samples}.")
        self._products = torch.zeros(num_samples, num_samples, dtype=torch.float64, device=device)
        self._sums = torch.zeros(num_samples, dtype=torch.float64, device=device)
        self._num_features = 0

    @property
    def nbytes(self) -> int:
        """Of memory."""
        return self._products.nbytes + self._sums.nbytes

    def add(self, block: Tensor) -> None:
        """Take in some features of all samples.

        Args:
            block: (N, any shape), any floating type.

        Raises:
            BadValueError: Another number of samples, or an activation that is not finite.
        """
        if len(block) != len(self._sums):
            raise BadValueError(f"{len(block)} samples in a block, {len(self._sums)} were announced.")
        self.add_tile(0, block, 0, block)

    def add_tile(self, row: int, rows: Tensor, column: int, columns: Tensor) -> None:
        """Take in some features of some samples against those of some others, or against their own.

        Every two tiles of samples are to be given once, in either order, with the same features.

        Args:
            row, column: Number of the first sample of each tile.
            rows, columns: Their activations, (n, any shape), any floating type.

        Raises:
            BadValueError: An activation that is not finite.
        """
        x_RD, y_CD = (tile.detach().flatten(1).to(self._sums) for tile in (rows, columns))
        if not bool(torch.isfinite(x_RD).all() and torch.isfinite(y_CD).all()):
            raise BadValueError(
                "Activations are not finite, so they cannot be compared; the network diverged."
            )
        products_RC = x_RD @ y_CD.T
        at_rows, at_columns = slice(row, row + len(x_RD)), slice(column, column + len(y_CD))
        self._products[at_rows, at_columns] += products_RC
        if row != column:
            self._products[at_columns, at_rows] += products_RC.T
            return
        self._sums[at_rows] += x_RD.sum(1)
        if row == 0:
            self._num_features += x_RD.shape[1]

    def correlations(self) -> Tensor:
        """Pearson correlation of every two samples over all features; (N, N), float64.

        A sample whose activations are all equal correlates with nothing: 0, and 1 with itself.
        """
        if not self._num_features:
            raise BadValueError("A layer without activations cannot be compared.")
        mean_N = self._sums / self._num_features
        cov_NN = self._products / self._num_features - torch.outer(mean_N, mean_N)
        spread_N = cov_NN.diagonal().clamp(min=0.0).sqrt()
        scale_N = (self._products.diagonal() / self._num_features).sqrt()
        flat_N = spread_N <= 1e-7 * scale_N  # rounding of the sums; also where all activations are 0
        spread_N = spread_N.masked_fill(flat_N, 1.0)
        found_NN = (cov_NN / torch.outer(spread_N, spread_N)).clamp(-1.0, 1.0)
        found_NN[flat_N] = 0.0
        found_NN[:, flat_N] = 0.0
        return found_NN.fill_diagonal_(1.0)

    def centred(self) -> Tensor:
        """Inner products after the mean over samples is taken from each feature; (N, N), float64."""
        if not self._num_features:
            raise BadValueError("A layer without activations cannot be compared.")
        rows_N = self._products.mean(1)
        return self._products - rows_N[:, None] - rows_N[None, :] + rows_N.mean()
