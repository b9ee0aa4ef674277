"""What several tasks' answers about the same images cost, with and without sharing their models' layers.

    python -m benchmarks.serving_prefix --out serving_prefix

The models descend from one random root, and each trains its highest layers itself: every other one the
last block and what is above, the others the head alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.measure import interleaved, machine, parser, settle, timed
from benchmarks.page import Page, Row, save
from benchmarks.system import usual_hparams
from taskgrove.backbones.families import family_of
from taskgrove.domain.ids import BlobId, ComponentId, TaskName
from taskgrove.domain.records import Component, Model, TaskSpec, identified
from taskgrove.domain.view import SystemView
from taskgrove.experiment.build import build_root
from taskgrove.experiment.spec import RootSpec
from taskgrove.serving.predictor import Predictor
from taskgrove.store.tensors import pack, unpack

APART, TOGETHER, AGAIN = "each task by itself", "together", "together, images known"
WAYS = (APART, TOGETHER, AGAIN)
CLASSES = 10
REMEMBER_BYTES = 1 << 30


class Grown:
    """Models of many tasks, their components in memory."""

    def __init__(self, member: str, num_tasks: int) -> None:
        self._member = member
        self._blobs: dict[str, bytes] = {}
        root = build_root(RootSpec(member=member), self._put)
        tasks = [TaskName(f"task{i}") for i in range(num_tasks)]
        models = {task: self._child(root, task, i) for i, task in enumerate(tasks)}
        self.view = SystemView(
            tasks={task: _spec(task) for task in tasks},
            models={model.id: model for model in models.values()},
            bests={task: model.id for task, model in models.items()},
        )

    def fetch(self, blob: BlobId) -> dict[str, Tensor]:
        """A component's tensors."""
        return unpack(self._blobs[blob])

    def _put(self, data: bytes) -> BlobId:
        name = BlobId(str(len(self._blobs)))
        self._blobs[name] = data
        return name

    def _child(self, root: Model, task: TaskName, number: int) -> Model:
        names = [component.slot for component in root.components]
        blocks = [name for name in names if name.startswith("block")]
        lowest = names.index(blocks[-1]) if number % 2 else len(names) - 1
        own = [self._trained(component, number) for component in root.components[lowest:]]
        components = (*root.components[:lowest], *own)
        return identified(replace(root, task=task, num_classes=CLASSES, components=components))

    def _trained(self, component: Component, number: int) -> Component:
        family = family_of(self._member)
        slot = family.layout(self._member).slot(component.slot, usual_hparams(self._member), CLASSES)
        tensors = family.init(slot, torch.Generator().manual_seed(number))
        return replace(component, id=ComponentId(self._put(pack(tensors))))


def _spec(task: TaskName) -> TaskSpec:
    return TaskSpec(
        name=task,
        source="",
        splits={},
        class_names=tuple(str(i) for i in range(CLASSES)),
        sizes={},
        image_shape=(28, 28, 1),
        fingerprint="",
    )


def answered_apart(predictors: Sequence[Predictor], images: NDArray[np.uint8]) -> None:
    for predictor in predictors:
        predictor.predict(images)


def seconds(
    grown: Grown, num_tasks: int, images: NDArray[np.uint8], device: torch.device, repetitions: int
) -> Mapping[str, Sequence[float]]:
    """Of all tasks' answers, in the three ways; weights are loaded before."""
    tasks = list(grown.view.bests)[:num_tasks]
    apart = [Predictor(grown.view, grown.fetch, [task], device=device) for task in tasks]
    together = Predictor(grown.view, grown.fetch, tasks, device=device)
    again = Predictor(grown.view, grown.fetch, tasks, device=device, remember_bytes=REMEMBER_BYTES)
    work: dict[str, Callable[[], object]] = {
        APART: partial(answered_apart, apart, images),
        TOGETHER: partial(together.predict, images),
        AGAIN: partial(again.predict, images),
    }
    return interleaved({way: partial(timed, run, device) for way, run in work.items()}, repetitions)


def row_of(num_tasks: int, times: Mapping[str, Sequence[float]]) -> Row:
    """Medians, and how many times as long the tasks take by themselves."""
    took = {way: median(turns) for way, turns in times.items()}
    return {
        "tasks": float(num_tasks),
        **{f"{way}, ms": 1e3 * spent for way, spent in took.items()},
        "apart × together": took[APART] / took[TOGETHER],
        "apart × known": took[APART] / took[AGAIN],
    }


def measure(arguments: argparse.Namespace) -> Page:
    """All numbers of tasks."""
    device = settle(arguments)
    conditions = machine(device, arguments.threads)
    images = np.random.default_rng(0).integers(0, 256, (arguments.images, 28, 28, 1), dtype=np.uint8)
    grown = Grown(arguments.member, max(arguments.tasks))
    rows = [
        row_of(num, seconds(grown, num, images, device, arguments.repetitions)) for num in arguments.tasks
    ]
    return Page(
        title=f"The same images asked of several tasks' models of {arguments.member}",
        conditions={**conditions, "images": f"{arguments.images} random ones of 28 × 28, in float32"},
        tables={"Answers of all tasks": rows},
        notes=[
            f"Median of {arguments.repetitions} turns. Every other task has its own last block, norm and "
            "head, the others a head of their own; the rest is the root's. Answers of the second way are "
            "those of the first to the last bit. In the third the predictor has been asked for the same "
            "images before.",
        ],
    )


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--member", default="vit-ti3")
    reader.add_argument("--images", type=int, default=256, help="asked of all tasks at once")
    reader.add_argument("--tasks", type=int, nargs="+", default=[1, 2, 8, 32], help="how many, one per row")
    arguments = reader.parse_args(given)
    save(measure(arguments), arguments.out)


if __name__ == "__main__":
    main()
