"""A trainer that pretends: its accuracies are those of tasks that come in families, and nothing is computed.

The numbers are plausible, not measured: layers that related tasks have trained are worth more than a root's,
training helps, a few hyperparameters matter, and luck does the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import NoReturn, final

from taskgrove.coordinator.metrics import TEST
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import ComponentId, SlotName, TaskName
from taskgrove.domain.jobs import (
    Clone,
    EvaluateJob,
    Fresh,
    JobFailed,
    Origin,
    Outcome,
    Share,
    Study,
    Trained,
    TrainJob,
    TrainResult,
)
from taskgrove.domain.layout import AbstractLayout, Role, Slot, training_flops
from taskgrove.domain.records import Component, Evaluation
from taskgrove.domain.seeds import derive
from taskgrove.store.keys import blob_id, blob_key
from taskgrove.store.store import Store
from taskgrove.trainer.base import AbstractTrainer

_FLOPS_PER_S = 2.5e14
"""Of the device that is pretended."""
_FAILS = 0.02
_OWN, _SAME_FAMILY, _ROOT, _OTHER, _NEW = 1.0, 0.8, 0.4, 0.4, 0.3
_LEARNED = 0.6
"""What training closes of the gap between a layer and the best one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """What a task is like.

    Attributes:
        family: Tasks of one family help each other.
        ceiling: Accuracy that a perfect model reaches.
        gap: What is lost of it with layers that fit as badly as can be: how much the task wants layers
            of its own.
        log10_lr: Of the learning rate that suits it.
    """

    family: str
    ceiling: float
    gap: float
    log10_lr: float


@final
class PretendedTrainer(AbstractTrainer):
    """Answers every job at once, the same job always in the same way.

    Args:
        store: Where short blobs stand for what was trained.
        layout: Of the backbone.
        natures: Of the tasks.
    """

    def __init__(self, store: Store, layout: AbstractLayout, natures: Mapping[TaskName, Nature]) -> None:
        self._store = store
        self._layout = layout
        self._natures = natures
        self._known: dict[ComponentId, Component] = {}
        self._seconds = 0.0

    def meters(self) -> dict[str, float]:
        """Seconds that the pretended device has been busy."""
        return {"device_s": self._seconds}

    def train(self, job: TrainJob) -> Outcome:
        self._known.update((part.id, part) for part in self._store.state.view.models[job.parent].components)
        luck = Random(derive(job.seed, "luck"))
        slots = [self._layout.slot(name, job.hparams, job.num_classes) for name, _ in job.slots]
        samples = job.config.cycles * job.config.samples_cap
        trained = [not isinstance(origin, Share) for _, origin in job.slots]
        flops = samples * training_flops([*zip(slots, trained, strict=True)])
        self._seconds += flops / _FLOPS_PER_S
        if luck.random() < _FAILS:
            return JobFailed(kind="diverged", text="The loss is NaN.", seed=job.seed, samples=samples)
        accuracies = self._accuracies(job, slots, luck)
        quality = max(accuracies)
        return TrainResult(
            quality=quality,
            best_cycle=len(accuracies) - accuracies[::-1].index(quality),
            trained=self._write(job, slots) if quality >= job.bar else {},
            losses=tuple(2.5 * (1.02 - accuracy) for accuracy in accuracies),
            accuracies=accuracies,
            samples=samples,
            val_samples=job.config.val_cap,
            flops=flops,
        )

    def evaluate(self, job: EvaluateJob) -> Evaluation:
        """Test accuracies are a little below those that models were chosen by."""
        model = self._store.state.view.models[job.model]
        assert model.task is not None
        below = Random(f"{job.split} {model.id}").triangular(-0.01, 0.03, 0.005)
        accuracy = min(max(model.quality - below, 0.0), 1.0)
        split, count = job.split or TEST, len(range(10_000)[job.start : job.stop])
        return Evaluation(model=model.id, task=model.task, split=split, accuracy=accuracy, num_samples=count)

    def study(self, study: Study) -> NoReturn:
        raise BadValueError(
            f"Only training and tests are pretended, not a {type(study).__name__}. Choose an agent "
            "that asks for no studies, such as mu2net_plus without a prior."
        )

    def _accuracies(self, job: TrainJob, slots: list[Slot], luck: Random) -> tuple[float, ...]:
        """After each cycle: towards what the model is worth, with some noise."""
        worth = self._worth(job, slots) + luck.gauss(0.0, 0.004)
        start = 0.6 + 0.3 * luck.random()
        curve = (1 - (1 - start) * math.exp(-1.4 * cycle) for cycle in range(job.config.cycles))
        noisy = (worth * part + luck.gauss(0.0, 0.002) for part in curve)
        return tuple(round(min(max(value, 0.01), 0.999), 4) for value in noisy)

    def _worth(self, job: TrainJob, slots: list[Slot]) -> float:
        nature = self._natures[job.task]
        body = [
            self._fit(origin, job.task)
            for slot, (_, origin) in zip(slots, job.slots, strict=True)
            if slot.role is Role.BODY
        ]
        misfit = 1 - sum(body) / len(body)
        missing = len(self._layout.root_slots()) - len(slots)
        return nature.ceiling - nature.gap * misfit - 0.003 * max(missing, 0) - _lost(job.hparams, nature)

    def _fit(self, origin: Origin, task: TaskName) -> float:
        """How well a layer suits the task, in [0, 1]."""
        match origin:
            case Fresh():
                return _NEW + (1 - _NEW) * _LEARNED
            case Share(component=component):
                return self._suits(component, task)
            case Clone(component=component):
                before = self._suits(component, task)
                return before + (1 - before) * _LEARNED

    def _suits(self, component: ComponentId, task: TaskName) -> float:
        part = self._known[component]
        if part.last_task is None:
            return _ROOT
        if part.last_task == task:
            return _OWN - 0.4 * float(0.5 ** (part.cycles[task] / 4))
        related = self._natures[part.last_task].family == self._natures[task].family
        return _SAME_FAMILY if related else _OTHER

    def _write(self, job: TrainJob, slots: list[Slot]) -> dict[SlotName, Trained]:
        return {
            slot.name: Trained(component=self._put(slot, job), momentum=None, num_params=slot.num_params)
            for slot, (_, origin) in zip(slots, job.slots, strict=True)
            if not isinstance(origin, Share)
        }

    def _put(self, slot: Slot, job: TrainJob) -> ComponentId:
        """Not `put_blob`, which would search the whole system for each of many new blobs."""
        data = f"{slot.name} of {job.task}, {job.seed}".encode()
        blob = blob_id(data)
        self._store.backend.put(blob_key(blob, self._store.state.epoch), data)
        return ComponentId(blob)


def _lost(hparams: Hparams, nature: Nature) -> float:
    """To hyperparameters that suit the task badly."""
    off = abs(math.log10(float(hparams["opt.lr"])) - nature.log10_lr)
    return 0.012 * off + 0.02 * float(hparams["data.hue"]) + 0.01 * abs(float(hparams["opt.momentum"]) - 0.9)
