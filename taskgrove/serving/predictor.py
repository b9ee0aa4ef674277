"""Answers of several tasks' models: layers that the models share compute an image once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskgrove.backbones.base import Tensors
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.ids import BlobId, ComponentId, TaskName
from taskgrove.domain.records import Model
from taskgrove.domain.view import SystemView
from taskgrove.serving.flow import Flow
from taskgrove.serving.images import as_images
from taskgrove.serving.memory import ImageMemory, names_of
from taskgrove.serving.prediction import Prediction
from taskgrove.serving.tree import Node, Tree, Trunk
from taskgrove.tasks.preprocess import eval_batch

BATCH = 1024
"""Images computed at once."""


@final
class Predictor:
    """The published models of some tasks, in float32; of each component there is one copy.

    Without memory the answers are, to the last bit, those of each model by itself. Not safe for several
    threads at once.

    Args:
        view: The system at some commit; later ones need another predictor.
        fetch: Gives a component's tensors by id; asked once for each that is needed.
        tasks: Those that may be asked for; None for all with a model.
        device: Where it computes; the CPU by default.
        remember_bytes: Of answers, and of what the layers at which models part have made of images, for
            images that are asked for again. The last bits of an answer then depend on which of the other
            images were known, as they do on how many are asked for at once.

    Raises:
        UnknownNameError: There is no such task, it has no model yet, or its backbone is not installed.
    """

    def __init__(
        self,
        view: SystemView,
        fetch: Callable[[BlobId], dict[str, Tensor]],
        tasks: Iterable[TaskName] | None = None,
        *,
        device: torch.device | None = None,
        remember_bytes: int = 0,
    ) -> None:
        self._view = view
        self._fetch = fetch
        self._device = device or torch.device("cpu")
        self._memory = ImageMemory(remember_bytes)
        self._tensors: dict[ComponentId, Tensors] = {}
        self._models = {task: _best(view, task) for task in (view.bests if tasks is None else tasks)}
        self._tree = Tree(self._models.values())

    def predict(
        self, images: NDArray[np.generic], tasks: Iterable[TaskName] | None = None
    ) -> dict[TaskName, Prediction]:
        """Classify the same images with several tasks' models.

        Args:
            images: See `as_images`; of any size, resized like the tasks' validation images.
            tasks: Whose models answer; None for all.

        Raises:
            UnknownNameError: The predictor was not made for such a task.
            BadValueError: The images are not uint8 images.
        """
        asked = tuple(self._models if tasks is None else tasks)
        for task in asked:
            if task not in self._models:
                raise UnknownNameError.of("task of this predictor", task, self._models)
        logits = self._logits([self._models[task] for task in asked], as_images(images))
        return {
            task: Prediction.of(self._models[task], rows, self._view.task(task).class_names)
            for task, rows in zip(asked, logits, strict=True)
        }

    def _logits(self, models: list[Model], images: NDArray[np.uint8]) -> list[Tensor]:
        ways = [self._tree.ways[model.id] for model in models]
        nodes: dict[Trunk, set[Node]] = {}
        for trunk, way in ways:
            nodes.setdefault(trunk, set()).update(way)
        names = names_of(images) if self._memory.keeps else [b""] * len(images)
        made = []
        with torch.inference_mode():
            for start in range(0, len(images), BATCH):
                some = torch.from_numpy(images[start : start + BATCH]).to(self._device)
                answers: dict[Node, Tensor] = {}
                for trunk, those in nodes.items():
                    flow = Flow(self._loaded(those), those, self._memory, names[start:][:BATCH])
                    answers |= flow.answers(trunk.above.values(), eval_batch(some, trunk.hparams))
                made.append([answers[way[-1]] for _, way in ways])
        return [torch.cat(chunks) for chunks in zip(*made, strict=True)]

    def _loaded(self, nodes: Iterable[Node]) -> dict[ComponentId, Tensors]:
        for node in nodes:
            if node.component not in self._tensors:
                tensors = self._fetch(BlobId(node.component))
                self._tensors[node.component] = {
                    name: t.to(self._device, torch.float32) for name, t in tensors.items()
                }
        return self._tensors


def _best(view: SystemView, task: TaskName) -> Model:
    view.task(task)
    model = view.best(task)
    if model is None:
        raise UnknownNameError(
            f"Task {task!r} has no model yet; run `taskgrove grow` first. "
            f"Tasks with a model: {', '.join(view.bests) or 'none'}."
        )
    return model
