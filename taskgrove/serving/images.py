"""What people hand over as images, brought into one form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.errors import BadValueError


def as_images(images: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Images as (N, H, W, C) uint8; a single (H, W) image becomes a batch of one.

    Raises:
        BadValueError: Another type or number of dimensions.
    """
    array = np.asarray(images)
    if array.dtype != np.uint8:
        raise BadValueError(
            f"Images must be uint8 in 0..255, got {array.dtype}; multiply floats in [0, 1] by 255 and "
            "convert with .astype('uint8')."
        )
    if array.ndim == 2:
        array = array[None]
    if array.ndim == 3 and array.shape[-1] == 3 and array.shape[0] > 3:
        array = array[None]
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or 0 in array.shape:
        raise BadValueError(
            f"Images must be (N, H, W), (N, H, W, 1) or (N, H, W, 3) and not empty, got {images.shape}."
        )
    return np.array(array, dtype=np.uint8, order="C")  # a copy: PyTorch wants to own what it reads
