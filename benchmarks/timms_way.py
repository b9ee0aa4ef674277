"""What a search costs in timm's way: a full fine-tune for each of its children."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from benchmarks.peer import Peer
from benchmarks.slices import Told
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import TrainJob
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import TrainSpec
from taskgrove.tasks.preprocess import OF_COLOURS, RESOLUTION, is_deterministic

Child = TypeVar("Child")
PEER_MODULE = "benchmarks.peers.vit_finetune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A full fine-tune that stands for some children of a search.

    Attributes:
        request: What the peer is asked.
        children: For how many it stands.
    """

    request: Mapping[str, Any]
    children: float


Span = tuple[float, float]
"""From when to when, in seconds of `perf_counter`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmsWay:
    """Full fine-tunes, one after the other.

    Attributes:
        python: Of an environment with timm.
        settings: Of the peer.
        tunings: What is asked of it.
    """

    python: str
    settings: Mapping[str, Any]
    tunings: tuple[Tuning, ...]

    def __call__(self) -> Callable[[], tuple[str, list[Span]]]:
        """Ready to carry them out; what they then give is the peer's name, and when it took them."""
        peer = Peer(self.python, PEER_MODULE, self.settings, {})

        def tune() -> tuple[str, list[Span]]:
            spans = []
            with peer:
                for tuning in self.tunings:
                    start = perf_counter()
                    peer.ask(**tuning.request)
                    spans.append((start, perf_counter()))
            return peer.about, spans

        return tune

    def all_children(self, told: Told) -> tuple[str, float]:
        """The peer's name, and what all children of the search take."""
        name, spans = told.value
        costs = zip(self.tunings, spans, strict=True)
        return name, sum(tuning.children * told.running(*span) for tuning, span in costs)


def tunings_of(
    grove: Grove, children: Sequence[TrainJob], at_each: int, train: TrainSpec, folder: Path
) -> tuple[Tuning, ...]:
    """What timm's way trains of a search, each at its resolution and with its random changes.

    Args:
        grove: Where the search has been.
        children: Of the search.
        at_each: Children that are trained of those of one task and resolution, and as many of those whose
            images are changed at random; the others are taken to cost as much.
        train: How the children were trained.
        folder: Where the peer finds the images.
    """
    files = {task: export(grove, task, folder) for task in sorted({job.task for job in children})}
    alike: dict[tuple[TaskName, int, bool], list[dict[str, float]]] = {}
    for job in children:
        changes = changes_of(job.hparams, files[job.task][1]["channels"])
        kind = job.task, int(job.hparams[RESOLUTION]), bool(changes)
        alike.setdefault(kind, []).append(changes)
    found: list[Tuning] = []
    for (task, resolution, _), several in sorted(alike.items()):
        path, sizes = files[task]
        fixed = {
            "data": str(path),
            "classes": sizes["classes"],
            "cycles": train.cycles,
            "samples": min(sizes["samples"], train.samples_cap),
            "val": train.val_cap,
            "resolution": resolution,
        }
        chosen = spread(several, at_each)
        share = len(several) / len(chosen)
        found += [Tuning(request={**fixed, "changes": changes}, children=share) for changes in chosen]
    return tuple(found)


def changes_of(hparams: Hparams, channels: int) -> dict[str, float]:
    """What a child's training images undergo at random, in the peer's words; empty for nothing."""
    if is_deterministic(hparams, channels):
        return {}
    left_out = (RESOLUTION, *(OF_COLOURS if channels == 1 else ()))
    asked = {name: float(value) for name, value in hparams.items() if name.startswith("data.")}
    return {name.removeprefix("data."): value for name, value in asked.items() if name not in left_out}


def spread(children: Sequence[Child], most: int) -> Sequence[Child]:
    """Some of them, from all parts of the sequence."""
    step = max(1.0, len(children) / most)
    return [children[int((place + 0.5) * step)] for place in range(min(most, len(children)))]


def export(grove: Grove, name: TaskName, folder: Path) -> tuple[Path, dict[str, int]]:
    """A task's images as a file, and its sizes."""
    data = grove.task_data(name)
    path = folder / f"{name}.npz"
    arrays: dict[str, Any] = {"x_train": data.train.images, "y_train": data.train.labels}
    arrays |= {"x_val": data.val.images, "y_val": data.val.labels}
    np.savez(path, allow_pickle=False, **arrays)
    sizes = {"samples": len(data.train), "classes": len(data.class_names)}
    return path, {**sizes, "channels": data.train.images.shape[-1]}
