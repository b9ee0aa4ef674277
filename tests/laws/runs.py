"""Experiments of a second on the tiny backbone, and what two runs of the same one must have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from taskgrove.domain.ids import BlobId
from taskgrove.domain.records import FinishChild
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, RootSpec, ScoreSpec, TaskEntry, TrainSpec
from taskgrove.store.store import Store
from taskgrove.trainer.base import Watch

EXPERIMENT = ExperimentSpec(
    name="law",
    seed=5,
    device="cpu",
    root=RootSpec(member="vit-tiny-test"),
    agent=AgentSpec(iterations=1, options={"generations": 2, "children": 2}),
    score=ScoreSpec(form="mu2net_plus", scale=0.9),
    train=TrainSpec(cycles=2, samples_cap=16, batch_size=8, val_cap=8, precision="fp32", threads=1),
)


def bright_or_dark(folder: Path) -> ExperimentSpec:
    """Four children that learn to tell bright images from dark ones."""
    rng, labels = np.random.default_rng(0), np.arange(60) % 2
    images = (rng.integers(0, 100, (60, 8, 8)) + 80 * labels[:, None, None]).astype(np.uint8)
    path = folder / "a.npz"
    np.savez(path, x_train=images[:40], y_train=labels[:40], x_test=images[40:], y_test=labels[40:])
    return replace(EXPERIMENT, tasks=(TaskEntry(name="a", source=f"npz:{path}"),))


def in_rounds(spec: ExperimentSpec) -> ExperimentSpec:
    """Two iterations of three such tasks side by side."""
    tasks = tuple(replace(spec.tasks[0], name=name) for name in "abc")
    return replace(spec, tasks=tasks, agent=replace(spec.agent, iterations=2), schedule="rounds")


def grown(
    spec: ExperimentSpec, folder: Path, executor: str, workers: int = 0, watch: Watch = lambda _: None
) -> Grove:
    """The system after the experiment, carried out in some way."""
    grove = open_or_create(folder, spec.root)
    grove.run(replace(spec, executor=executor, workers=workers), watch=watch)
    return grove


def ends(store: Store) -> dict[tuple[str, int, int, int], FinishChild]:
    """What became of every child, by its position."""
    done = (c.operation for c in store.history() if isinstance(c.operation, FinishChild))
    return {(d.task, d.iteration, d.generation, d.child): d for d in done}


def assert_same(one: Grove, other: Grove) -> None:
    """Two systems are equal in all but what the order of commits decides: their bytes, too."""
    assert ends(one.store) == ends(other.store)
    for mine, theirs in zip(_read(one), _read(other), strict=True):
        assert mine == theirs


def _read(grove: Grove) -> tuple[object, ...]:
    """What an agent or a reader sees."""
    view = grove.view()
    selections = {task: dict(counts) for task, counts in view.selections.items()}
    tests = dict(grove.evaluations())
    return dict(view.models), dict(view.bests), selections, dict(view.iterations), tests, _bytes(grove)


def _bytes(grove: Grove) -> Mapping[BlobId, bytes]:
    """Of every component of every model."""
    models = grove.view().models.values()
    blobs = {BlobId(component.id) for model in models for component in model.components}
    return {blob: grove.store.get_blob(blob) for blob in blobs}
