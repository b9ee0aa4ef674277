"""A system with one task and the children that benchmarks train on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import AgentName, SlotName, TaskName
from taskgrove.domain.jobs import Clone, Fresh, Origin, Share, TrainConfig, TrainJob, TrainResult
from taskgrove.domain.records import AddRoot, Model
from taskgrove.experiment.build import build_root
from taskgrove.experiment.spaces import SPACES
from taskgrove.experiment.spec import RootSpec
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.store import Store
from taskgrove.tasks.base import Split, TaskData
from taskgrove.tasks.load import load_task
from taskgrove.trainer.run import CACHE_BYTES, Trainer

DATA_VARIABLE = "TASKGROVE_DATA"
TASK = TaskName("task")
KMNIST_SPLITS = {"train": "train[5%:]", "val": "train[:5%]", "test": "test"}


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A root model in a store, and a task's data."""

    store: Store
    root: Model
    data: TaskData

    def trainer(self, device: torch.device, remember_bytes: int = CACHE_BYTES) -> Trainer:
        """A trainer that has remembered nothing yet."""
        return Trainer(self.store, lambda _: self.data, device, remember_bytes=remember_bytes)

    def job(self, first: str, config: TrainConfig, seed: int = 0, bar: float = 1.1) -> TrainJob:
        """A child that trains the root's slot `first` and all above it, the head anew.

        Args:
            first: A slot's name.
            config: How it is trained.
            seed: Of its data order and its head.
            bar: Above 1 nothing is written.
        """
        names = [component.slot for component in self.root.components]
        lowest = names.index(SlotName(first))
        slots: list[tuple[SlotName, Origin]] = []
        for i, component in enumerate(self.root.components):
            if component.slot == "head":
                slots.append((component.slot, Fresh()))
            elif i < lowest:
                slots.append((component.slot, Share(component=component.id)))
            else:
                slots.append((component.slot, Clone(component=component.id)))
        return TrainJob(
            agent=AgentName("benchmark"),
            task=TASK,
            iteration=0,
            generation=0,
            child=seed,
            member=self.root.member,
            slots=tuple(slots),
            num_classes=len(self.data.class_names),
            hparams=usual_hparams(self.root.member),
            seed=seed,
            bar=bar,
            factor=1.0,
            config=config,
            parent=self.root.id,
            flops=self.root.flops,
        )


def make_system(member: str, data: TaskData, backend: AbstractBackend | None = None) -> System:
    """A system that holds a random root, in memory unless told otherwise."""
    store = Store.create(backend or MemoryBackend())
    root = build_root(RootSpec(member=member), store.put_blob)
    store.commit(AddRoot(model=root))
    return System(store=store, root=root, data=data)


def trained(trainer: Trainer, job: TrainJob) -> TrainResult:
    """What a child's training gave; a failed child stops the benchmark."""
    outcome = trainer.train(job)
    assert isinstance(outcome, TrainResult), outcome
    return outcome


def usual_hparams(member: str) -> Mapping[str, HparamValue]:
    """The defaults of µ2Net+ with a small learning rate, at which no child diverges."""
    return {**SPACES["mu2net_plus"].of(member).defaults(), "opt.lr": 0.001}


def noise(num_images: int, edge: int, num_classes: int, channels: int = 1) -> TaskData:
    """Random images: they cost what real ones cost."""
    rng = np.random.default_rng(0)

    def part(num: int) -> Split:
        images = rng.integers(0, 256, (num, edge, edge, channels), dtype=np.uint8)
        return Split(images=images, labels=np.arange(num, dtype=np.int64) % num_classes)

    few = max(num_classes, num_images // 10)
    names = tuple(str(i) for i in range(num_classes))
    return TaskData(train=part(num_images), val=part(few), test=part(few), class_names=names)


def load_data(name: str) -> tuple[TaskData, str]:
    """A task's data and what it is, in words.

    Args:
        name: `kmnist`, `digits` (of scikit-learn), `noise`, `noise:<images>`, or `auto`: kmnist where its
            file is at hand, else digits.
    """
    folder = os.environ.get(DATA_VARIABLE)
    if name == "auto":
        name = "digits" if folder is None else "kmnist"
    if name == "kmnist":
        return load_task(f"npz:{folder}/kmnist.npz", KMNIST_SPLITS), "kmnist, 28 × 28"
    if name == "digits":
        return load_task("sklearn:digits"), "digits of scikit-learn, 8 × 8"
    if name.partition(":")[0] == "noise":
        num_images = int(name.partition(":")[2] or 2048)
        return noise(num_images, 28, 10), f"{num_images} random images, 28 × 28"
    raise BadValueError(f"--data must be auto, kmnist, digits or noise, got {name!r}.")
