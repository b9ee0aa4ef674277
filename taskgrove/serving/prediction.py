"""What a model answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from taskgrove.domain.ids import ModelId
from taskgrove.domain.records import Model


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

    @classmethod
    def of(cls, model: Model, logits_NK: Tensor, class_names: Sequence[str]) -> Prediction:
        """What the logits of a model say."""
        probabilities = logits_NK.softmax(dim=1).cpu().numpy()
        labels = probabilities.argmax(axis=1)
        return cls(
            model=model.id,
            labels=labels,
            names=tuple(class_names[label] for label in labels),
            probabilities=probabilities,
        )
