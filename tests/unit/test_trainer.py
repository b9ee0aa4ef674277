"""The trainer against a plain loop: schedules, steps, precision."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from taskgrove.backbones.assemble import assemble, split
from taskgrove.backbones.families import family_of
from taskgrove.domain.ids import BlobId, ComponentId, SlotName
from taskgrove.domain.jobs import (
    Fresh,
    Share,
    TrainJob,
    TrainResult,
)
from taskgrove.domain.records import Model
from taskgrove.store.store import Store
from taskgrove.store.tensors import unpack
from taskgrove.tasks.base import TaskData
from taskgrove.tasks.preprocess import eval_batch
from taskgrove.trainer.cache import Cache
from taskgrove.trainer.evaluate import num_correct
from taskgrove.trainer.learner import Resident
from taskgrove.trainer.optim import CLIP_NORM, LearningRate, Optimizer
from taskgrove.trainer.prefix.layers import Memory
from taskgrove.trainer.prefix.prefixes import Prefixes
from taskgrove.trainer.train import Schedule, batches, learner_of, train
from tests.unit.plain_rate import plain_cosine
from tests.unit.small_jobs import CONFIG, HPARAMS, MEMBER, make_data, make_job, make_trainer, root, store

__all__ = ["root", "store"]  # fixtures, which pytest finds by name


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


@pytest.mark.parametrize("size", [3.0, 0.05])
@pytest.mark.parametrize("factor", [1.0, 0.1])
@pytest.mark.parametrize("nesterov", [False, True])
def test_the_optimiser_equals_sgd_written_out(nesterov: bool, factor: float, size: float) -> None:
    """A factor of the learning rate multiplies every update; the momentum that is kept includes it."""
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(7, 3))
    buffer = torch.randn(7, 3)
    rate = LearningRate(peak=0.3, warmup=0.25, schedule="cosine", num_steps=8, steps_per_cycle=4)
    hparams = {"opt.momentum": 0.8, "opt.nesterov": nesterov}
    optimizer = Optimizer([parameter], [buffer * factor], hparams, rate, [factor])
    weight, velocity = parameter.detach().clone(), buffer.clone()
    for step in range(8):
        gradient = torch.randn(7, 3) * size  # longer or shorter than what is clipped
        parameter.grad = gradient.clone()
        optimizer.step()
        clipped = gradient * min(1.0, CLIP_NORM / (float(gradient.norm()) + 1e-6))
        velocity = 0.8 * velocity + clipped
        update = clipped + 0.8 * velocity if nesterov else velocity
        weight -= factor * plain_cosine(step, 8, 0.3, 0.25) * update
    torch.testing.assert_close(parameter.detach(), weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(optimizer.momentum(parameter), factor * velocity, rtol=1e-5, atol=1e-6)


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
            group["lr"] = plain_cosine(
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


def test_logits_that_are_not_finite_are_found_at_validation() -> None:
    family = family_of(MEMBER)
    slots = [family.layout(MEMBER).slot(n, HPARAMS, 3) for n in family.layout(MEMBER).root_slots()]
    tensors = {s.name: family.init(s, torch.Generator().manual_seed(1)) for s in slots}
    images, labels = torch.zeros(4, 8, 8, 1, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)
    network = assemble(family, slots, tensors)
    assert num_correct(network, images, labels, HPARAMS, torch.float32) == 4
    tensors[SlotName("head")]["bias"][2] = float("nan")
    network = assemble(family, slots, tensors)
    assert num_correct(network, images, labels, HPARAMS, torch.float32) is None


def test_a_step_does_not_import_the_compiler() -> None:
    """It takes two seconds of every process; the tests' own may have it already."""
    step = """
import sys, torch
from taskgrove.trainer.optim import LearningRate, Optimizer
weight = torch.nn.Parameter(torch.ones(3))
rate = LearningRate(peak=0.1, warmup=0.0, schedule="constant", num_steps=1, steps_per_cycle=1)
optimizer = Optimizer([weight], [None], {"opt.momentum": 0.9, "opt.nesterov": False}, rate)
weight.square().sum().backward()
optimizer.step()
assert not weight.equal(torch.ones(3))
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", step], check=False).returncode == 0


@pytest.mark.parametrize("engine", ["fast", "plain"])
@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_the_precision_is_that_of_all_products(
    store: Store,
    root: Model,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    precision: str,
    dtype: torch.dtype,
) -> None:
    seen: set[torch.dtype] = set()
    linear = torch.nn.functional.linear

    def spy(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        seen.update({x.dtype, weight.dtype, bias.dtype})
        return linear(x, weight, bias)

    monkeypatch.setattr(torch.nn.functional, "linear", spy)
    config = replace(CONFIG, cycles=1, precision=precision, engine=engine)
    make_trainer(store).train(make_job(root, config=config))
    assert seen == {dtype}


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_only_trainable_slots_change(store: Store, root: Model, engine: str) -> None:
    family = family_of(MEMBER)
    layout = family.layout(MEMBER)
    slots = [layout.slot(c.slot, HPARAMS, 3) for c in root.components]
    tensors = {s.name: family.init(s, torch.Generator().manual_seed(1)) for s in slots}
    trainable = frozenset({SlotName("block_1"), SlotName("head")})
    network = assemble(family, slots, tensors, trainable)
    before = {s: {k: t.clone() for k, t in c.items()} for s, c in split(network).items()}
    data = make_data()
    images, labels = torch.from_numpy(data.train.images), torch.from_numpy(data.train.labels)
    resident = Resident(train_images=images, train_labels=labels, val_images=images, val_labels=labels)
    memory = Memory(
        prefixes=Prefixes(1 << 20),
        data="t",
        components={slot.name: ComponentId(slot.name) for slot in slots},
    )
    config = replace(CONFIG, engine=engine)
    learner = learner_of(network, {}, resident, memory, HPARAMS, config, seed=1)
    done = train(learner, len(labels), len(labels), config, seed=1)
    assert set(done.parameters) == set(done.momentum) == trainable
    for slot in trainable:
        assert any(not torch.equal(t, before[slot][k]) for k, t in done.parameters[slot].items())
    for slot in set(before) - trainable:
        assert all(torch.equal(t, before[slot][k]) for k, t in split(network)[slot].items())
        assert not any(p.requires_grad for p in network.tensors(slot).values())


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
