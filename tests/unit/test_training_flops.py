"""The closed form of a child's training cost against PyTorch's counter on real steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from taskgrove.backbones.assemble import assemble
from taskgrove.backbones.families import family_of
from taskgrove.domain.ids import SlotName
from taskgrove.domain.jobs import Fresh, Share, TrainJob, TrainResult
from taskgrove.domain.layout import Slot, training_flops
from taskgrove.domain.records import Model
from taskgrove.store.store import Store
from taskgrove.testing.layouts import TINY
from taskgrove.trainer.meters import matmul_rate
from tests.unit.small_jobs import CONFIG, HPARAMS, MEMBER, make_data, make_job, make_trainer, root, store

__all__ = ["root", "store"]  # fixtures, which pytest finds by name

ROOT_SLOTS = " ".join(TINY.root_slots())
ADAPTED = "embedding cls pos adapter_0 block_0 adapter_1 block_1 norm head"

PLAIN = replace(CONFIG, engine="plain")
"""The fast way computes less than the closed form says."""


@contextmanager
def counted() -> Iterator[FlopCounterMode]:
    """Counts operations; attention is computed as matrix products, which the counter sees."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        yield counter


def slots_of(names: str) -> list[Slot]:
    hparams = {"data.resolution": 8, "arch.adapter_dim": 8}
    return [TINY.slot(SlotName(name), hparams, 3) for name in names.split()]


def real_step(slots: list[Slot], trainable: set[str]) -> int:
    """Operations of one image's forward and backward pass, as PyTorch counts them."""
    family = family_of(MEMBER)
    tensors = {slot.name: family.init(slot, torch.Generator().manual_seed(1)) for slot in slots}
    network = assemble(family, slots, tensors, frozenset(map(SlotName, trainable)))
    with counted() as counter:
        network(torch.ones(1, 3, 8, 8)).sum().backward()
    return counter.get_total_flops()


def closed_form(slots: list[Slot], trainable: set[str]) -> int:
    return training_flops([(slot, slot.name in trainable) for slot in slots])


@pytest.mark.parametrize(
    ("names", "trainable"),
    [
        (ROOT_SLOTS, "head"),
        (ROOT_SLOTS, "norm head"),
        (ROOT_SLOTS, ROOT_SLOTS),
        (ROOT_SLOTS, "cls block_0 block_1 norm head"),
        (ROOT_SLOTS, "pos block_0 block_1 head"),
        ("embedding cls pos block_0 norm head", "pos block_0 norm head"),
        (ADAPTED, ADAPTED),
        (ADAPTED, "pos adapter_0 block_0 adapter_1 block_1 norm head"),
        (ROOT_SLOTS, "block_1 norm head"),
        (ROOT_SLOTS, "block_0 norm head"),
        (ROOT_SLOTS, "block_0 block_1 norm head"),
        (ROOT_SLOTS, "pos norm head"),
        (ROOT_SLOTS, "embedding cls norm head"),
        (ADAPTED, "adapter_1 norm head"),
        (ADAPTED, "adapter_0 adapter_1 norm head"),
        (ADAPTED, "block_0 adapter_1 norm head"),
    ],
)
def test_the_closed_form_is_what_pytorch_counts(names: str, trainable: str) -> None:
    slots, chosen = slots_of(names), {*trainable.split()}
    assert closed_form(slots, chosen) == real_step(slots, chosen)


def test_nothing_is_spent_on_gradients_where_nothing_is_trainable() -> None:
    slots = slots_of(ROOT_SLOTS)
    assert closed_form(slots, set()) == sum(slot.flops for slot in slots)
    assert training_flops([]) == 0


def test_what_lies_below_all_trainable_slots_costs_its_forward_pass_alone() -> None:
    slots = slots_of(ROOT_SLOTS)
    flops = {str(slot.name): slot.flops for slot in slots}
    forward = sum(flops.values())
    assert closed_form(slots, {"head"}) == forward + flops["head"]
    assert closed_form(slots, {"block_1"}) == forward + 2 * flops["block_1"] + flops["head"]


def with_flops(job: TrainJob) -> TrainJob:
    """The job as an agent gives it, with the operations of one image's forward pass."""
    slots = [TINY.slot(name, job.hparams, job.num_classes) for name, _ in job.slots]
    return replace(job, flops=sum(slot.flops for slot in slots))


def trained(store: Store, job: TrainJob) -> tuple[TrainResult, int]:
    """What a job gives, and the operations that PyTorch counts while it runs."""
    matmul_rate(torch.device("cpu"), torch.float32, job.config.threads)  # measured once per process
    with counted() as counter:
        result = make_trainer(store, make_data(num=40)).train(job)
    assert isinstance(result, TrainResult)
    return result, counter.get_total_flops()


def test_a_job_tells_all_operations_it_spent_validations_included(store: Store, root: Model) -> None:
    result, real = trained(store, with_flops(make_job(root, config=PLAIN)))
    assert (result.samples, result.val_samples) == (3 * 48, 30)
    assert result.flops == real


def test_a_job_that_trains_the_head_alone_spends_little_more_than_forward_passes(
    store: Store, root: Model
) -> None:
    shared = [(c.slot, Share(component=c.id)) for c in root.components[:-1]]
    job = with_flops(make_job(root, config=PLAIN, slots=(*shared, (SlotName("head"), Fresh()))))
    result, real = trained(store, job)
    assert result.flops == real
    head = TINY.slot(SlotName("head"), HPARAMS, 3)
    assert result.flops == job.flops * (result.samples + 3 * 30) + head.flops * result.samples


def test_operations_do_not_depend_on_what_was_reached(store: Store, root: Model) -> None:
    job = with_flops(make_job(root, config=replace(CONFIG, cycles=2)))
    kept, dropped = trained(store, job)[0], trained(store, replace(job, bar=1.1))[0]
    assert dropped.trained == {}
    assert kept.flops == dropped.flops > 0
