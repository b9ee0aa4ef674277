"""What the trainer promises about jobs: what is read, written, kept, counted and refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from taskgrove.backbones.families import family_of
from taskgrove.domain.ids import BlobId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import (
    Clone,
    EvaluateJob,
    Fresh,
    JobFailed,
    TrainJob,
    TrainResult,
)
from taskgrove.domain.records import Model
from taskgrove.store.store import Store
from taskgrove.store.tensors import pack, unpack
from taskgrove.tasks.base import Split, TaskData
from taskgrove.trainer.base import Tick
from taskgrove.trainer.fast import FastLearner
from taskgrove.trainer.run import Trainer
from tests.unit.small_jobs import CONFIG, HPARAMS, MEMBER, make_data, make_job, make_trainer, root, store

__all__ = ["root", "store"]  # fixtures, which pytest finds by name


def test_the_same_job_gives_the_same_bytes(store: Store, root: Model) -> None:
    noisy = {**HPARAMS, "data.area_min": 0.5, "data.flip": True, "data.brightness": 0.2}
    job = make_job(root, hparams=noisy)
    first, second = make_trainer(store).train(job), make_trainer(store).train(job)
    assert first == second
    other = make_trainer(store).train(replace(job, seed=6))
    assert other != first


def test_shared_components_are_not_written_and_never_change(store: Store, root: Model) -> None:
    before = {c.slot: store.get_blob(BlobId(c.id)) for c in root.components}
    trainer = make_trainer(store)
    result = trainer.train(make_job(root))
    again = trainer.train(make_job(root))
    assert isinstance(result, TrainResult)
    assert set(result.trained) == {"pos", "block_0", "block_1", "norm", "head"}
    assert {c.slot: store.get_blob(BlobId(c.id)) for c in root.components} == before
    assert again == result, "a clone wrote into a cached component"


def test_below_the_bar_nothing_is_written(store: Store, root: Model) -> None:
    result = make_trainer(store).train(make_job(root, bar=1.1))
    assert isinstance(result, TrainResult)
    assert result.trained == {}
    assert result.quality > 0


def test_clones_carry_momentum_and_it_matters(store: Store, root: Model) -> None:
    first = make_trainer(store).train(make_job(root))
    assert isinstance(first, TrainResult)
    block = first.trained[SlotName("block_0")]
    assert block.momentum is not None
    momentum = unpack(store.get_blob(block.momentum))
    assert all(t.dtype is torch.bfloat16 for t in momentum.values())
    assert any(float(t.abs().max()) > 0 for t in momentum.values())

    def with_momentum(blob: BlobId | None) -> TrainJob:
        clone = Clone(component=block.component, momentum=blob)
        job = make_job(root)
        slots = tuple((s, clone if s == "block_0" else o) for s, o in job.slots)
        return replace(job, slots=slots, config=replace(CONFIG, cycles=1))

    zero = store.put_blob(pack({k: torch.zeros_like(t) for k, t in momentum.items()}))
    fresh, carried, zeros = (
        make_trainer(store).train(with_momentum(b)) for b in (None, block.momentum, zero)
    )
    assert isinstance(fresh, TrainResult)
    assert isinstance(carried, TrainResult)
    assert fresh == zeros
    assert fresh.losses != carried.losses


def test_the_newest_of_equally_good_versions_is_kept(store: Store, root: Model) -> None:
    frozen = {**HPARAMS, "opt.lr": 0.0001}
    result = make_trainer(store).train(make_job(root, hparams=frozen))
    assert isinstance(result, TrainResult)
    best = max(result.accuracies)
    assert result.best_cycle == max(i for i, a in enumerate(result.accuracies, 1) if a == best)


def test_the_first_of_equally_good_versions_is_kept_when_strict(store: Store, root: Model) -> None:
    still = {**HPARAMS, "opt.lr": 0.0001, "opt.schedule": "constant"}
    newest = make_trainer(store).train(make_job(root, hparams=still))
    first = make_trainer(store).train(make_job(root, hparams=still, strict=True))
    alone = make_trainer(store).train(make_job(root, hparams=still, config=replace(CONFIG, cycles=1)))
    assert isinstance(newest, TrainResult)
    assert isinstance(first, TrainResult)
    assert isinstance(alone, TrainResult)
    assert first.accuracies == newest.accuracies == alone.accuracies * 3, "the cycles were to be equals"
    assert (first.best_cycle, newest.best_cycle) == (1, 3)
    assert first.quality == newest.quality
    assert first.trained == alone.trained
    assert newest.trained != alone.trained


@pytest.mark.parametrize(
    ("correct", "first", "newest"),
    [
        ((3, 5, 5, 4, 5), 2, 5),
        ((3, 5, 4, 4, 4), 2, 2),
        ((1, 2, 3, 4, 5), 5, 5),
        ((5, 4, 3, 2, 1), 1, 1),
        ((0, 0, 0, 0, 0), 1, 5),
        ((0, 0, 1, 1, 0), 3, 4),
    ],
)
def test_which_version_is_kept(
    store: Store, root: Model, monkeypatch: pytest.MonkeyPatch, correct: list[int], first: int, newest: int
) -> None:
    for strict, best in ((True, first), (False, newest)):
        script = iter(correct)
        monkeypatch.setattr(FastLearner, "num_correct", lambda _, __, script=script: next(script))
        job = make_job(root, config=replace(CONFIG, cycles=5, samples_cap=16), strict=strict)
        result = make_trainer(store).train(job)
        assert isinstance(result, TrainResult)
        assert (result.best_cycle, result.quality) == (best, max(correct) / 30)


def test_divergence_is_a_failure_with_its_seed(store: Store, root: Model) -> None:
    block = root.components[3]
    poison = {k: t * float("inf") for k, t in unpack(store.get_blob(BlobId(block.id))).items()}
    bad = store.put_blob(pack({k: torch.nan_to_num(t, posinf=float("inf")) for k, t in poison.items()}))
    job = make_job(root)
    slots = tuple((s, Clone(component=bad) if s == block.slot else o) for s, o in job.slots)  # type: ignore[arg-type]
    failure = make_trainer(store).train(replace(job, slots=slots))
    assert isinstance(failure, JobFailed)
    assert failure.kind == "diverged"
    assert failure.seed == job.seed
    assert "cycle 1" in failure.text
    sound = make_trainer(store).train(replace(job, config=replace(job.config, cycles=1)))
    assert isinstance(sound, TrainResult)
    assert failure.samples == sound.samples, "what a failed child has cost counts"
    assert failure.flops == sound.flops - sound.val_samples * job.flops


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "error"),
    ],
)
def test_a_child_that_cannot_be_trained_is_a_result(
    store: Store, root: Model, monkeypatch: pytest.MonkeyPatch, error: RuntimeError, kind: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("taskgrove.trainer.run.train", fail)
    failure = make_trainer(store).train(make_job(root))
    assert failure == JobFailed(kind=kind, text=str(error), seed=5)


def test_the_result_counts_the_images_of_whole_steps(store: Store, root: Model) -> None:
    result = make_trainer(store, make_data(num=100)).train(make_job(root))
    assert isinstance(result, TrainResult)
    assert result.samples == 3 * math.ceil(100 / 16) * 16


def test_validation_uses_the_first_images_up_to_the_cap(store: Store, root: Model) -> None:
    data = make_data()
    val = data.val
    few = replace(data, val=Split(images=val.images[:9], labels=val.labels[:9]))
    capped = make_trainer(store, data).train(make_job(root, config=replace(CONFIG, val_cap=9)))
    assert isinstance(capped, TrainResult)
    assert capped.val_samples == 9
    assert capped == make_trainer(store, few).train(make_job(root))


def test_a_job_sets_its_number_of_threads(store: Store, root: Model, threads: None) -> None:
    for number in (2, 1):
        make_trainer(store).train(make_job(root, config=replace(CONFIG, cycles=1, threads=number)))
        assert torch.get_num_threads() == number


def test_a_clone_is_resampled_to_another_resolution(store: Store, root: Model) -> None:
    large = {**HPARAMS, "data.resolution": 16}
    resized = tuple(
        (slot, replace(origin, resize=True) if isinstance(origin, Clone) and slot == "pos" else origin)
        for slot, origin in make_job(root).slots
    )
    result = make_trainer(store).train(make_job(root, hparams=large, slots=resized))
    assert isinstance(result, TrainResult)
    layout = family_of(MEMBER).layout(MEMBER)
    written = unpack(store.get_blob(BlobId(result.trained[SlotName("pos")].component)))
    assert written["embedding"].shape == layout.slot(SlotName("pos"), large, 3).shapes["embedding"]


def test_new_components_are_drawn_from_the_seed_of_the_job(store: Store, root: Model) -> None:
    at = next(i for i, c in enumerate(root.components) if c.slot == "block_1")
    still = {**HPARAMS, "opt.lr": 0.0001}
    slots = list(make_job(root).slots)
    slots.insert(at, (SlotName("adapter_1"), Fresh()))

    def drawn(seed: int) -> Tensor:
        job = make_job(root, slots=tuple(slots), seed=seed, hparams=still, config=replace(CONFIG, cycles=1))
        result = make_trainer(store).train(job)
        assert isinstance(result, TrainResult)
        return unpack(store.get_blob(BlobId(result.trained[SlotName("adapter_1")].component)))["down_weight"]

    # One cycle at the lowest rate moves weights by less than 0.01; two draws differ by far more.
    assert float((drawn(1) - drawn(1)).abs().max()) == 0.0
    assert float((drawn(1) - drawn(2)).abs().max()) > 0.05


def test_watchers_hear_of_every_cycle(store: Store, root: Model) -> None:
    ticks: list[Tick] = []
    result = make_trainer(store, ticks=ticks).train(make_job(root))
    assert isinstance(result, TrainResult)
    assert [(t.task, t.child, t.cycle, t.cycles) for t in ticks] == [("t", 0, n, 3) for n in (1, 2, 3)]
    assert tuple(t.accuracy for t in ticks) == result.accuracies


def test_a_task_is_brought_to_the_device_once(store: Store, root: Model) -> None:
    asked: list[TaskName] = []

    def read(task: TaskName) -> TaskData:
        asked.append(task)
        return make_data()

    trainer = Trainer(store, read, torch.device("cpu"))
    assert trainer.train(make_job(root)) == trainer.train(make_job(root))
    assert asked == ["t"]


def test_evaluate_refuses_a_model_that_is_not_live(store: Store, root: Model) -> None:
    with pytest.raises(ValueError, match="no live model"):
        make_trainer(store).evaluate(EvaluateJob(model=ModelId("0" * 64), split="test", threads=1))
