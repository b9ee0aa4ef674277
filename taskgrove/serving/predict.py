"""Predictions of a task's published model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskgrove.domain.ids import BlobId, TaskName
from taskgrove.domain.view import SystemView
from taskgrove.serving.prediction import Prediction
from taskgrove.serving.predictor import Predictor


def predict(
    view: SystemView,
    fetch: Callable[[BlobId], dict[str, Tensor]],
    task: TaskName,
    images: NDArray[np.generic],
    *,
    device: torch.device | None = None,
) -> Prediction:
    """Classify images with a task's published model, in float32.

    Args:
        view: The system at some commit.
        fetch: Gives a component's tensors by id.
        task: Whose model answers.
        images: See `as_images`; of any size, resized like the task's validation images.
        device: Where it computes; the CPU by default.

    Raises:
        UnknownNameError: There is no such task, or it has no model yet.
        BadValueError: The images are not uint8 images.
    """
    return Predictor(view, fetch, (task,), device=device).predict(images)[task]
