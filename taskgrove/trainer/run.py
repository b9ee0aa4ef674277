"""The trainer: reads components and data, trains a job's child, writes what is worth keeping."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter, process_time
from typing import final

import torch
from torch import Tensor

from taskgrove.backbones.assemble import Network, assemble
from taskgrove.backbones.base import Tensors
from taskgrove.backbones.families import family_of
from taskgrove.backbones.load import load_model
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.ids import BlobId, ComponentId, SlotName, TaskName
from taskgrove.domain.jobs import (
    Clone,
    EvaluateJob,
    Fresh,
    JobFailed,
    Outcome,
    ProbeJob,
    ProbeResult,
    Share,
    Study,
    Trained,
    TrainJob,
    TrainResult,
    ValidateJob,
    ValidateResult,
)
from taskgrove.domain.layout import training_flops
from taskgrove.domain.records import Evaluation
from taskgrove.domain.seeds import derive
from taskgrove.domain.view import SystemView
from taskgrove.store.store import Store
from taskgrove.store.tensors import pack, read_tensors
from taskgrove.tasks.base import TaskData
from taskgrove.tasks.load import fingerprint
from taskgrove.tasks.preprocess import eval_batch
from taskgrove.trainer.allocator import keep_freed_memory
from taskgrove.trainer.base import AbstractTrainer, Tick, Watch, published
from taskgrove.trainer.cache import Cache
from taskgrove.trainer.chain import chain_of
from taskgrove.trainer.data import Splits, first, place, placed_bytes, reading
from taskgrove.trainer.distributed import ALONE, Team
from taskgrove.trainer.evaluate import images_at_once, num_correct, num_correct_above
from taskgrove.trainer.learner import Resident, dtype_of
from taskgrove.trainer.meters import Meters
from taskgrove.trainer.prefix.disk import Disk
from taskgrove.trainer.prefix.layers import FrozenLayers, Memory
from taskgrove.trainer.prefix.prefixes import Prefixes
from taskgrove.trainer.probe import conflicts, grams
from taskgrove.trainer.similarity.measures import DISSIMILARITIES
from taskgrove.trainer.similarity.memory import GramMemory
from taskgrove.trainer.streamed import DeviceImages
from taskgrove.trainer.train import DivergedError, Trajectory, learner_of, train

CACHE_BYTES = 4 << 30


@final
class Trainer(AbstractTrainer):
    """Trains on one device of this machine.

    Args:
        store: Where components are read and written.
        read_task: Gives a task's data by name; what it gives stays on the device while there is room.
        device: Where it computes.
        watch: Told after every train cycle.
        remember_bytes: Of activations of frozen layers; results do not depend on it.
        blob_bytes: Of components in main memory.
        data_bytes: Of images; a split for which there is no room is read batch by batch. Results do
            not depend on it.
        team: Who train each child together; only the process that leads writes.
        disk: Where activations of frozen layers are kept for all processes of this machine; None for
            nowhere. Results do not depend on it.
    """

    def __init__(
        self,
        store: Store,
        read_task: Callable[[TaskName], TaskData],
        device: torch.device,
        watch: Watch = lambda _: None,
        remember_bytes: int = CACHE_BYTES,
        data_bytes: int = CACHE_BYTES,
        blob_bytes: int = CACHE_BYTES,
        team: Team = ALONE,
        disk: Disk | None = None,
    ) -> None:
        keep_freed_memory()
        self._store = store
        self._device = device
        self._watch = watch
        self._team = team
        self._read_task = read_task
        self._data_bytes = data_bytes
        self._data = Cache(self._on_device, placed_bytes, data_bytes)
        self._blobs = Cache(self._read_blob, _tensor_bytes, blob_bytes)
        self._prefixes = Prefixes(remember_bytes, disk, device)
        self._contents: dict[TaskName, str] | None = None if disk is None else {}
        """What tells tasks' data from any other, on disk; by name they are told apart in memory."""
        self._grams = GramMemory()
        self._meters = Meters()

    def meters(self) -> dict[str, float]:
        """Running totals of time and work; see `Meters`.

        `device_s` are the seconds that the device has been busy for this process: a GPU is taken to be
        the process's own, so the wall's time is its time; on a CPU it is that of all cores together.
        """
        return self._meters.read() | {
            "device_s": perf_counter() if self._device.type == "cuda" else process_time(),
            "activations": float(self._prefixes.asked),
            "activations_computed": float(self._prefixes.computed),
            "activations_read": float(self._prefixes.read),
        }

    def train(self, job: TrainJob) -> Outcome:
        torch.set_num_threads(job.config.threads)
        try:
            return self._trained(job)
        except RuntimeError as error:
            return JobFailed(kind=_kind_of(error), text=str(error).splitlines()[0], seed=job.seed)

    def _trained(self, job: TrainJob) -> Outcome:
        with self._meters.phase("load"):
            network, data = self._assemble(job), self._resident(job)
            frozen = {slot: origin.component for slot, origin in job.slots if isinstance(origin, Share)}
            learner = learner_of(
                network,
                self._momentum(job),
                data,
                self._memory(job.task, frozen),
                job.hparams,
                job.config,
                job.seed,
                self._team,
                _rates(job),
            )
            learner = reading(learner, data.train_images)
        before = self._busy()
        try:
            done = train(
                learner,
                len(data.train_labels),
                len(data.val_labels),
                job.config,
                job.seed,
                partial(self._tick, job),
                strict=job.strict,
                bar=job.bar,
                meters=self._meters,
            )
        except DivergedError as error:
            return JobFailed(
                kind="diverged",
                text=f"Training diverged: {error}.",
                seed=job.seed,
                samples=error.samples,
                flops=_flops_spent(job, network, error.samples, error.validated),
            )
        finally:
            self._meters.count_peak(self._busy() - before, self._device, dtype_of(job.config))
        return self._result(job, network, done)

    def _busy(self) -> float:
        """Seconds of steps and validations so far."""
        return self._meters["learn_s"] + self._meters["validate_s"]

    def evaluate(self, job: EvaluateJob) -> Evaluation:
        torch.set_num_threads(job.threads)
        view = self._store.view()
        if job.model not in view.models:
            raise UnknownNameError.of("live model", job.model, view.models)
        model = view.models[job.model]
        assert model.task is not None
        network = load_model(model, self._blobs.get, device=self._device)
        splits = self._data.get(model.task)
        if job.split not in splits:
            raise UnknownNameError.of("split", job.split, splits)
        images, labels = splits[job.split]
        memory = self._memory(model.task, {c.slot: c.id for c in model.components})
        frozen = FrozenLayers(
            memory, network, chain_of(network), job.split, images, model.hparams, torch.float32
        )
        part = range(len(labels))[job.start : job.stop]
        correct = num_correct_above(frozen, labels, _num_shared(memory, view, model.task), part)
        return Evaluation(
            model=model.id,
            task=model.task,
            split=job.split,
            accuracy=(correct or 0) / len(part),
            num_samples=len(part),
        )

    def study(self, study: Study) -> ProbeResult | ValidateResult:
        return self.probe(study) if isinstance(study, ProbeJob) else self.validate(study)

    def validate(self, job: ValidateJob) -> ValidateResult:
        """Accuracy on validation images of components that need not be those of a published model."""
        torch.set_num_threads(job.config.threads)
        family = family_of(job.member)
        layout = family.layout(job.member)
        slots = [layout.slot(name, job.hparams, job.num_classes) for name, _ in job.components]
        dtype = dtype_of(job.config)
        tensors = {
            name: {k: t.to(self._device, dtype) for k, t in self._blobs.get(BlobId(component)).items()}
            for name, component in job.components
        }
        images, labels = self._data.get(job.task)["val"]
        images, labels = first(images, job.config.val_cap), labels[: job.config.val_cap]
        network = assemble(family, slots, tensors, frozenset())
        memory = self._memory(job.task, dict(job.components))
        frozen = FrozenLayers(memory, network, chain_of(network), "val", images, job.hparams, dtype)
        keep = _num_shared(memory, self._store.view(), job.task)
        if job.config.engine == "plain":
            correct = num_correct(network, images, labels, job.hparams, dtype)
        else:
            correct = num_correct_above(frozen, labels, keep)
        return ValidateResult(quality=(correct or 0) / len(labels), num_samples=len(labels))

    def probe(self, job: ProbeJob) -> ProbeResult:
        """Compare two models layer by layer on the first images of a split; see `trainer.probe`.

        Raises:
            UnknownNameError: A model was never published; there is no such task, split or measure.
            BadValueError: Fewer than 3 images, or activations that are not finite.
        """
        torch.set_num_threads(job.threads)
        measure = DISSIMILARITIES[job.measure]()
        splits = self._data.get(job.task)
        if job.split not in splits:
            raise UnknownNameError.of("split", job.split, splits)
        images = first(splits[job.split][0], job.samples)
        found = []
        for identity in job.models:
            model = published(self._store, identity, job.at)
            network = load_model(model, self._blobs.get, device=self._device)
            batch = partial(_prepared, images, model.hparams)
            memory = self._memory(job.task, {c.slot: c.id for c in model.components})
            chain = chain_of(network)
            whole = FrozenLayers(
                memory, network, chain, job.split, images, model.hparams, torch.float32
            ).prefix
            known = self._grams.of(whole, [slot.name for slot in network.slots], len(images))
            at_once = images_at_once(model.hparams)
            found.append(grams(network, batch, len(images), at_once, self._device, known))
            self._grams.keep(whole, found[-1], len(images))
        return ProbeResult(conflicts=conflicts(found[0], found[1], measure), num_samples=len(images))

    def _tick(self, job: TrainJob, cycle: int, accuracy: float) -> None:
        tick = Tick(
            task=job.task,
            iteration=job.iteration,
            generation=job.generation,
            child=job.child,
            cycle=cycle,
            cycles=job.config.cycles,
            accuracy=accuracy,
        )
        self._watch(tick)

    def _assemble(self, job: TrainJob) -> Network:
        family = family_of(job.member)
        layout = family.layout(job.member)
        dtype = dtype_of(job.config)
        slots, components, trainable = [], {}, set()
        for name, origin in job.slots:
            slot = layout.slot(name, job.hparams, job.num_classes)
            slots.append(slot)
            if isinstance(origin, Fresh):
                generator = torch.Generator().manual_seed(derive(job.seed, name))
                tensors: Tensors = family.init(slot, generator)
            else:
                tensors = self._blobs.get(BlobId(origin.component))
            if isinstance(origin, Clone) and origin.resize:
                tensors = family.resize(slot, tensors)
            if isinstance(origin, Share):
                components[name] = {k: t.to(self._device, dtype) for k, t in tensors.items()}
            else:
                trainable.add(name)
                # Cached tensors are shared between jobs; the plain way writes into the network's own.
                plain = job.config.engine == "plain"
                components[name] = {k: t.to(self._device, copy=plain) for k, t in tensors.items()}
        return assemble(family, slots, components, frozenset(trainable))

    def _momentum(self, job: TrainJob) -> dict[SlotName, Tensors]:
        return {
            slot: self._blobs.get(origin.momentum)
            for slot, origin in job.slots
            if isinstance(origin, Clone) and origin.momentum is not None
        }

    def _memory(self, task: TaskName, components: Mapping[SlotName, ComponentId]) -> Memory:
        """Of a task whose data is on the device."""
        data = task if self._contents is None else self._contents[task]
        return Memory(prefixes=self._prefixes, data=data, components=components)

    def _resident(self, job: TrainJob) -> Resident:
        splits = self._data.get(job.task)
        train_images, train_labels = splits["train"]
        val_images, val_labels = splits["val"]
        cap = job.config.val_cap
        return Resident(
            train_images=train_images,
            train_labels=train_labels,
            val_images=first(val_images, cap),
            val_labels=val_labels[:cap],
        )

    def _on_device(self, task: TaskName) -> Splits:
        data = self._read_task(task)
        if self._contents is not None:
            self._contents[task] = fingerprint(data)
        return place(data, self._device, self._data_bytes)

    def _result(self, job: TrainJob, network: Network, done: Trajectory) -> TrainResult:
        with self._meters.phase("write"):
            wanted = done.quality >= job.bar and self._team.leads
            trained = self._write(network, done) if wanted else {}
        return TrainResult(
            quality=done.quality,
            best_cycle=done.best_cycle,
            trained=trained,
            losses=done.losses,
            accuracies=done.accuracies,
            samples=done.samples,
            val_samples=done.val_samples,
            flops=_flops_spent(job, network, done.samples, done.validated),
            saved=done.saved,
        )

    def _write(self, network: Network, done: Trajectory) -> Mapping[SlotName, Trained]:
        written = {}
        for slot in network.slots:
            if slot.name in done.parameters:
                blob = self._store.put_blob(pack(_on_cpu(done.parameters[slot.name], torch.float32)))
                momentum = self._store.put_blob(pack(_on_cpu(done.momentum[slot.name], torch.bfloat16)))
                written[slot.name] = Trained(
                    component=ComponentId(blob), momentum=momentum, num_params=slot.num_params
                )
        return written

    def _read_blob(self, blob: BlobId) -> dict[str, Tensor]:
        return read_tensors(self._store, blob)


def _prepared(images_NHWC: DeviceImages, hparams: Hparams, samples: slice) -> Tensor:
    return eval_batch(images_NHWC[samples], hparams)


def _num_shared(memory: Memory, view: SystemView, task: TaskName) -> int:
    """How many of the lowest components roots or other tasks use as well; never all."""
    lowest = list(memory.components.values())[:-1]
    alone = (not view.roots_of(c) and not view.users_of(c) - {task} for c in lowest)
    return next((depth for depth, own in enumerate(alone) if own), len(lowest))


def _flops_spent(job: TrainJob, network: Network, samples: int, validated: int) -> int:
    """Of all steps and validations, in closed form."""
    per_sample = training_flops([(slot, slot.name in network.trainable) for slot in network.slots])
    return samples * per_sample + job.flops * validated


def _rates(job: TrainJob) -> dict[SlotName, float]:
    """Factors of the learning rate, of the slots that have one."""
    return {n: origin.rate for n, origin in job.slots if isinstance(origin, Clone) and origin.rate != 1.0}


def _kind_of(error: RuntimeError) -> str:
    """PyTorch has a class of error for a full GPU, but only a text for a full main memory."""
    full = isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
    return "out_of_memory" if full or "can't allocate memory" in str(error) else "error"


def _on_cpu(tensors: Tensors, dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: t.to("cpu", dtype) for name, t in tensors.items()}


def _tensor_bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(t.nbytes for t in tensors.values())
