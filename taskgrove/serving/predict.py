"""Predictions of a task's published model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskgrove.backbones.load import load_model
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.ids import BlobId, ModelId, TaskName
from taskgrove.domain.view import SystemView
from taskgrove.tasks.preprocess import eval_batch

BATCH = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Answers for a batch of images.

    Attributes:
        model: Which published model answered.
        labels: (N,) int64.
        names: Class name of each label.
        probabilities: (N, K) float32.
    """

    model: ModelId
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    probabilities: NDArray[np.float32]


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
    names = view.task(task).class_names
    model = view.best(task)
    if model is None:
        raise UnknownNameError(
            f"Task {task!r} has no model yet; run `taskgrove grow` first. "
            f"Tasks with a model: {', '.join(view.bests) or 'none'}."
        )
    batch = torch.from_numpy(as_images(images)).to(device or "cpu")
    network = load_model(model, fetch, device=device)
    with torch.inference_mode():
        logits = [network(eval_batch(chunk, model.hparams)) for chunk in torch.split(batch, BATCH)]
        probabilities = torch.cat(logits).softmax(dim=1).cpu().numpy()
    labels = probabilities.argmax(axis=1)
    return Prediction(
        model=model.id,
        labels=labels,
        names=tuple(names[label] for label in labels),
        probabilities=probabilities,
    )
