"""The trainer against a plain loop, and the promises it makes about what it writes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from taskgrove.backbones.assemble import assemble, split
from taskgrove.backbones.families import family_of
from taskgrove.domain.ids import AgentName, BlobId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import (
    Clone,
    EvaluateJob,
    Fresh,
    JobFailed,
    Origin,
    Share,
    TrainConfig,
    TrainJob,
    TrainResult,
)
from taskgrove.domain.records import AddRoot, Model
from taskgrove.experiment.build import build_root, space_of
from taskgrove.experiment.spec import RootSpec
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.tensors import pack, unpack
from taskgrove.tasks.base import Split, TaskData
from taskgrove.tasks.preprocess import eval_batch
from taskgrove.trainer.base import Tick
from taskgrove.trainer.cache import Cache
from taskgrove.trainer.optim import CLIP_NORM, Optimizer, learning_rate
from taskgrove.trainer.run import Trainer
from taskgrove.trainer.train import Resident, Schedule, batches, train_network

MEMBER = "vit-tiny-test"
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
        hparams={**space_of(MEMBER).defaults(), "opt.lr": 0.1},
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


def test_the_learning_rate_warms_up_from_zero_and_ends_near_zero() -> None:
    rates = [learning_rate(step, 100, 0.1, 0.2) for step in range(100)]
    assert rates[0] == pytest.approx(0.1 / 21)
    assert max(rates) == pytest.approx(0.1)
    assert rates.index(max(rates)) == 20
    assert rates[:20] == sorted(rates[:20])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[-1] < 0.1 * 0.001
    assert learning_rate(0, 100, 0.1, 0.0) == pytest.approx(0.1)


def test_batches_visit_every_image_once_per_epoch_and_are_always_full() -> None:
    stream = batches(10, 4, torch.Generator().manual_seed(0))
    seen = torch.cat([next(stream) for _ in range(5)]).tolist()
    assert sorted(seen[:10]) == list(range(10))
    assert sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_a_cycle_is_one_epoch_or_the_cap_in_whole_steps() -> None:
    assert Schedule.of(1000, CONFIG).steps_per_cycle == math.ceil(1000 / 16)
    assert Schedule.of(10**6, CONFIG).steps_per_cycle == math.ceil(1000 / 16)
    assert Schedule.of(5, CONFIG) == Schedule(batch=5, steps_per_cycle=1, cycles=3)


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_optimiser_equals_sgd_written_out(nesterov: bool) -> None:
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(7, 3))
    buffer = torch.randn(7, 3)
    hparams = {"opt.lr": 0.3, "opt.warmup": 0.25, "opt.momentum": 0.8, "opt.nesterov": nesterov}
    optimizer = Optimizer([parameter], [buffer], hparams, num_steps=8)
    weight, velocity = parameter.detach().clone(), buffer.clone()
    for step in range(8):
        gradient = torch.randn(7, 3) * 3
        parameter.grad = gradient.clone()
        optimizer.step()
        clipped = gradient * min(1.0, CLIP_NORM / (float(gradient.norm()) + 1e-6))
        velocity = 0.8 * velocity + clipped
        update = clipped + 0.8 * velocity if nesterov else velocity
        weight -= learning_rate(step, 8, 0.3, 0.25) * update
    torch.testing.assert_close(parameter.detach(), weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(optimizer.momentum(parameter), velocity, rtol=1e-5, atol=1e-6)


def plain_training(store: Store, job: TrainJob, data: TaskData) -> tuple[list[float], dict[str, Tensor]]:
    """The same training as a newcomer would write it: one autograd graph, torch's own SGD."""
    family, config = family_of(job.member), job.config
    layout = family.layout(job.member)
    tensors: dict[str, dict[str, Tensor]] = {}
    for name, origin in job.slots:
        slot = layout.slot(name, job.hparams, job.num_classes)
        if isinstance(origin, Fresh):
            tensors[name] = {k: torch.zeros(shape) for k, shape in slot.shapes.items()}
        else:
            tensors[name] = unpack(store.get_blob(BlobId(origin.component)))
    learned = [
        t.requires_grad_()
        for name, origin in job.slots
        if not isinstance(origin, Share)
        for t in tensors[name].values()
    ]
    sgd = torch.optim.SGD(learned, lr=1.0, momentum=float(job.hparams["opt.momentum"]))
    images, labels = torch.from_numpy(data.train.images), torch.from_numpy(data.train.labels)
    slots = [layout.slot(name, job.hparams, job.num_classes) for name, _ in job.slots]

    def logits(batch: Tensor) -> Tensor:
        x = eval_batch(batch, job.hparams)
        for slot in slots:
            x = family.apply(slot, tensors[slot.name], x)
        return x

    steps = math.ceil(len(labels) / config.batch_size) * config.cycles
    order = batches(len(labels), config.batch_size, torch.Generator().manual_seed(job.seed))
    accuracies, best = [], {}
    for step in range(steps):
        index = next(order)
        for group in sgd.param_groups:
            group["lr"] = learning_rate(
                step, steps, float(job.hparams["opt.lr"]), float(job.hparams["opt.warmup"])
            )
        loss = nn.functional.cross_entropy(logits(images[index]), labels[index])
        sgd.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learned, CLIP_NORM)
        sgd.step()
        if (step + 1) % (steps // config.cycles) == 0:
            with torch.no_grad():
                right = logits(torch.from_numpy(data.val.images)).argmax(1) == torch.from_numpy(
                    data.val.labels
                )
            accuracies.append(float(right.double().mean()))
            if accuracies[-1] >= max(accuracies):
                best = {
                    f"{name}.{key}": t.detach().clone()
                    for name in tensors
                    for key, t in tensors[name].items()
                }
    return accuracies, best


def test_the_trainer_equals_a_plain_loop_in_float32(store: Store, root: Model) -> None:
    job, data = make_job(root), make_data()
    result = make_trainer(store, data).train(job)
    assert isinstance(result, TrainResult)
    accuracies, parameters = plain_training(store, job, data)
    assert list(result.accuracies) == accuracies
    assert result.quality == max(accuracies)
    for slot, trained in result.trained.items():
        for name, tensor in unpack(store.get_blob(BlobId(trained.component))).items():
            # Same operations, other order of sums (fused optimiser): float32 rounding over 18 steps.
            torch.testing.assert_close(tensor, parameters[f"{slot}.{name}"], rtol=1e-4, atol=1e-5)


def test_bf16_learns_what_float32_learns(store: Store, root: Model) -> None:
    job = make_job(root, config=replace(CONFIG, precision="bf16", cycles=6))
    result = make_trainer(store).train(job)
    plain = make_trainer(store).train(replace(job, config=replace(CONFIG, cycles=6)))
    assert isinstance(result, TrainResult)
    assert isinstance(plain, TrainResult)
    # bf16 has 8 bits of mantissa: losses of a few cycles agree to a few per cent.
    assert result.losses == pytest.approx(plain.losses, rel=0.1)
    assert result.quality == pytest.approx(plain.quality, abs=0.1)


def test_the_same_job_gives_the_same_bytes(store: Store, root: Model) -> None:
    noisy = {**space_of(MEMBER).defaults(), "data.area_min": 0.5, "data.flip": True, "data.brightness": 0.2}
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
    frozen = {**space_of(MEMBER).defaults(), "opt.lr": 0.0001}
    result = make_trainer(store).train(make_job(root, hparams=frozen))
    assert isinstance(result, TrainResult)
    best = max(result.accuracies)
    assert result.best_cycle == max(i for i, a in enumerate(result.accuracies, 1) if a == best)


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
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("taskgrove.trainer.run.train_network", fail)
    failure = make_trainer(store).train(make_job(root))
    assert failure == JobFailed(kind=kind, text=str(error), seed=5)


def test_watchers_hear_of_every_cycle(store: Store, root: Model) -> None:
    ticks: list[Tick] = []
    result = make_trainer(store, ticks=ticks).train(make_job(root))
    assert isinstance(result, TrainResult)
    assert [(t.task, t.child, t.cycle, t.cycles) for t in ticks] == [("t", 0, n, 3) for n in (1, 2, 3)]
    assert tuple(t.accuracy for t in ticks) == result.accuracies


def test_only_trainable_slots_get_gradients(store: Store, root: Model) -> None:
    family = family_of(MEMBER)
    layout = family.layout(MEMBER)
    hparams = space_of(MEMBER).defaults()
    slots = [layout.slot(c.slot, hparams, 3) for c in root.components]
    tensors = {s.name: family.init(s, torch.Generator().manual_seed(1)) for s in slots}
    network = assemble(family, slots, tensors, frozenset({SlotName("block_1"), SlotName("head")}))
    before = {s: {k: t.clone() for k, t in c.items()} for s, c in split(network).items()}
    data = make_data()
    images, labels = torch.from_numpy(data.train.images), torch.from_numpy(data.train.labels)
    resident = Resident(train_images=images, train_labels=labels, val_images=images, val_labels=labels)
    train_network(network, {}, resident, hparams, CONFIG, seed=1)
    for slot, parts in split(network).items():
        changed = any(not torch.equal(t, before[slot][k]) for k, t in parts.items())
        assert changed == (slot in ("block_1", "head"))
        assert all(p.requires_grad == changed for p in network.tensors(slot).values())


def test_evaluate_refuses_a_model_that_is_not_live(store: Store, root: Model) -> None:
    with pytest.raises(ValueError, match="no live model"):
        make_trainer(store).evaluate(EvaluateJob(model=ModelId("0" * 64), split="test", threads=1))


def test_the_cache_keeps_within_its_limit_and_forgets_the_least_recently_used() -> None:
    loads: list[str] = []

    def load(key: str) -> bytes:
        loads.append(key)
        return key.encode() * 4

    cache: Cache[str, bytes] = Cache(load, len, limit_bytes=8)
    for key in ("a", "b", "a", "c", "a", "b"):
        assert cache.get(key) == key.encode() * 4
    assert loads == ["a", "b", "c", "b"]
    assert cache.get("long" * 3) == b"long" * 12
    assert cache.get("b")
    assert loads == ["a", "b", "c", "b", "long" * 3]
