"""Predictions of a task's published model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskgrove.backbones.load import load_model
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.ids import BlobId, ModelId, TaskName
from taskgrove.domain.view import SystemView
from taskgrove.serving.images import as_images
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
