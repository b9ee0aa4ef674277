"""A tiny root, three classes of images, and jobs to train on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from taskgrove.domain.ids import AgentName, SlotName, TaskName
from taskgrove.domain.jobs import (
    Clone,
    Fresh,
    Origin,
    Share,
    TrainConfig,
    TrainJob,
)
from taskgrove.domain.records import AddRoot, Model
from taskgrove.experiment.build import build_root
from taskgrove.experiment.spaces import SPACES
from taskgrove.experiment.spec import RootSpec
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.tasks.base import Split, TaskData
from taskgrove.trainer.base import Tick
from taskgrove.trainer.run import Trainer

MEMBER = "vit-tiny-test"
HPARAMS = SPACES["mu2net_plus"].of(MEMBER).defaults()

CONFIG = TrainConfig(cycles=3, batch_size=16, samples_cap=1000, val_cap=100, precision="fp32", threads=1)


def make_data(seed: int = 0, num: int = 96) -> TaskData:
    """Three classes of noisy 8×8 images, each bright in another band."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(num) % 3).astype(np.int64)
    images = rng.integers(0, 90, (num, 8, 8, 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 2] += 120
    part = Split(images=images, labels=labels)
    rest = Split(images=images[:30], labels=labels[:30])
    return TaskData(train=part, val=rest, test=rest, class_names=("a", "b", "c"))


@pytest.fixture
def store() -> Store:
    return Store.create(MemoryBackend())


@pytest.fixture
def root(store: Store) -> Model:
    model = build_root(RootSpec(member=MEMBER), store.put_blob)
    store.commit(AddRoot(model=model))
    return model


def make_job(root: Model, **changes: object) -> TrainJob:
    """Clone everything but the embedding and the class token, with a fresh head."""
    slots: list[tuple[SlotName, Origin]] = []
    for component in root.components:
        if component.slot == "head":
            slots.append((component.slot, Fresh()))
        elif component.slot in ("embedding", "cls"):
            slots.append((component.slot, Share(component=component.id)))
        else:
            slots.append((component.slot, Clone(component=component.id)))
    job = TrainJob(
        agent=AgentName("test"),
        task=TaskName("t"),
        iteration=0,
        generation=0,
        child=0,
        member=MEMBER,
        slots=tuple(slots),
        num_classes=3,
        hparams={**HPARAMS, "opt.lr": 0.1},
        seed=5,
        bar=0.0,
        factor=1.0,
        config=CONFIG,
        parent=root.id,
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def make_trainer(store: Store, data: TaskData | None = None, ticks: list[Tick] | None = None) -> Trainer:
    known = make_data() if data is None else data
    heard: list[Tick] = [] if ticks is None else ticks
    return Trainer(store, lambda _: known, torch.device("cpu"), heard.append)
