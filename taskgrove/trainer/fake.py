"""A trainer without tensors: same interface, instant, deterministic; it serves tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import final

from taskgrove.domain.ids import BlobId, ComponentId, SlotName
from taskgrove.domain.jobs import (
    EvaluateJob,
    JobFailed,
    Outcome,
    ProbeJob,
    ProbeResult,
    Share,
    Study,
    Trained,
    TrainJob,
    TrainResult,
    ValidateResult,
)
from taskgrove.domain.layout import AbstractLayout
from taskgrove.domain.records import Evaluation
from taskgrove.domain.seeds import derive
from taskgrove.store.store import Store
from taskgrove.trainer.base import AbstractTrainer, published


@final
class FakeTrainer(AbstractTrainer):
    """Answers with numbers drawn from the job's seed and blobs made of its text.

    Quality grows with the number of trainable slots and of iterations, so that searches move.

    Args:
        store: Where the blobs go.
        layout: Gives the sizes of slots.
        fails: Says which jobs diverge.
    """

    def __init__(
        self, store: Store, layout: AbstractLayout, fails: Callable[[TrainJob], bool] = lambda _: False
    ) -> None:
        self._store = store
        self._layout = layout
        self._fails = fails

    def train(self, job: TrainJob) -> Outcome:
        if self._fails(job):
            return JobFailed(kind="diverged", text="Told to diverge.", seed=job.seed)
        trainable = [name for name, origin in job.slots if not isinstance(origin, Share)]
        luck = derive(job.seed, "quality") % 1000 / 1000
        ceiling = 1 - 0.5 / (1 + len(trainable) + job.iteration)
        accuracies = tuple(
            ceiling * (0.5 + 0.5 * luck) * (c + 1) / job.config.cycles for c in range(job.config.cycles)
        )
        quality = accuracies[-1]
        text = json.dumps(asdict(job), sort_keys=True)
        return TrainResult(
            quality=quality,
            best_cycle=job.config.cycles,
            trained={name: self._write(job, text, name) for name in trainable} if quality >= job.bar else {},
            losses=tuple(1 - a for a in accuracies),
            accuracies=accuracies,
            samples=job.config.cycles * min(job.config.samples_cap, 1000),
            val_samples=100,
        )

    def evaluate(self, job: EvaluateJob) -> Evaluation:
        model = self._store.view().models[job.model]
        assert model.task is not None
        count = len(range(100)[job.start : job.stop])
        return Evaluation(
            model=model.id, task=model.task, split=job.split, accuracy=model.quality, num_samples=count
        )

    def study(self, study: Study) -> ProbeResult | ValidateResult:
        """Conflicts are equal for equal components, and drawn from the two names otherwise."""
        if not isinstance(study, ProbeJob):
            ids = "".join(component for _, component in study.components)
            quality = derive(study.task, ids, "quality") % 1000 / 1000
            return ValidateResult(quality=quality, num_samples=study.config.val_cap)
        one, other = (published(self._store, identity, study.at) for identity in study.models)
        pairs = [(c, found) for c in one.components if (found := other.component(c.slot)) is not None]
        conflicts = {
            c.slot: 0.0 if c.id == found.id else derive(c.id, found.id) % 1000 / 1000 for c, found in pairs
        }
        return ProbeResult(conflicts=conflicts, num_samples=study.samples)

    def _write(self, job: TrainJob, text: str, name: SlotName) -> Trained:
        """Bytes that are other ones for each job, of which `text` tells all, and slot."""
        blob = self._store.put_blob(hashlib.sha256(f"{text} {name}".encode()).hexdigest().encode())
        momentum = self._store.put_blob(b"momentum of " + blob.encode())
        size = self._layout.slot(name, job.hparams, job.num_classes).num_params
        return Trained(component=ComponentId(blob), momentum=BlobId(momentum), num_params=size)
