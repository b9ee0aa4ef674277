"""Position embeddings at another resolution."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from taskgrove.domain.errors import BadValueError


def resample(positions_TD: Tensor, num_tokens: int) -> Tensor:
    """Bilinear interpolation of the grid of position embeddings; the class token's row stays.

    The corners of the grids coincide (`align_corners`), as with SciPy's zoom of order 1 in the
    authors' code; a grid of one cell takes its value from the first corner.

    Args:
        positions_TD: (1 + n², D), the class token's first.
        num_tokens: 1 + m², wanted.

    Raises:
        BadValueError: One of the two is not one more than a square.
    """
    n, m = _grid_size(len(positions_TD)), _grid_size(num_tokens)
    if n == m:
        return positions_TD.clone()
    grid_1Dnn = positions_TD[1:].T.reshape(1, -1, n, n)
    resized_1Dmm = functional.interpolate(grid_1Dnn, size=(m, m), mode="bilinear", align_corners=True)
    return torch.cat([positions_TD[:1], resized_1Dmm.flatten(2)[0].T])


def _grid_size(num_tokens: int) -> int:
    size = math.isqrt(max(num_tokens - 1, 0))
    if size == 0 or size * size != num_tokens - 1:
        raise BadValueError(
            f"Position embeddings are a class token and a square grid, but {num_tokens} rows are not "
            "1 + n²; they probably belong to another architecture."
        )
    return size
