"""MLPs and convolutional networks in the fast engine and the plain one, and grown by the methods."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from taskgrove.backbones.families import family_of
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import BlobId, SlotName, TaskName
from taskgrove.domain.jobs import Clone, Fresh, Origin, Share, TrainJob, TrainResult
from taskgrove.domain.records import AddRoot, Model
from taskgrove.experiment.build import build_root
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spaces import SPACES
from taskgrove.experiment.spec import RootSpec, TrainSpec
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.tensors import unpack
from taskgrove.tasks.sources.arrays import ArrayData, arrays
from taskgrove.trainer.run import Trainer
from tests.laws.examples import examples
from tests.unit.small_jobs import CONFIG, make_data, make_job

MEMBERS = ("mlp-tiny-test", "convnet-tiny-test", "grouped-tiny-test")
ATOL = {"fp32": 2e-5, "bf16": 2e-2}
"""As in the laws of the engines."""
QUICK = TrainSpec(cycles=2, samples_cap=64, batch_size=16, val_cap=32, precision="fp32", threads=1)

OPTIONS: dict[str, dict[str, HparamValue]] = {
    "bind_grow": {},
    "fine_tune": {"replicas": 1},
    "fine_tune_search": {"trials": 2},
    "fine_tune_top": {"replicas": 1},
    "mu2net": {"generations": 1, "children": 2},
    "multi_head": {"replicas": 1},
    "munet": {"generations": 1, "children": 2},
    "random_search": {"generations": 1, "children": 2},
}


def planted(member: str) -> tuple[Store, Model]:
    store = Store.create(MemoryBackend())
    root = build_root(RootSpec(member=member), store.put_blob)
    store.commit(AddRoot(model=root))
    return store, root


def job_of(
    root: Model, trainable: frozenset[str], hparams: dict[str, HparamValue], precision: str
) -> TrainJob:
    origins: dict[str, Origin] = {
        c.slot: Clone(component=c.id, resize=c.slot.startswith("dense_0") and "data.resolution" in hparams)
        if c.slot in trainable
        else Share(component=c.id)
        for c in root.components
    }
    slots = tuple((SlotName(n), Fresh() if n == "head" else origin) for n, origin in origins.items())
    values = {**SPACES["mu2net_plus"].of(root.member).defaults(), "opt.lr": 0.02, **hparams}
    config = replace(CONFIG, precision=precision, cycles=1 if precision == "bf16" else CONFIG.cycles)
    return make_job(root, member=root.member, slots=slots, hparams=values, config=config)


def trained(store: Store, job: TrainJob, engine: str, remember_bytes: int = 1 << 24) -> TrainResult:
    data = make_data()
    trainer = Trainer(store, lambda _: data, torch.device("cpu"), remember_bytes=remember_bytes)
    result = trainer.train(replace(job, config=replace(job.config, engine=engine)))
    assert isinstance(result, TrainResult)
    return result


def weights_of(store: Store, result: TrainResult) -> dict[str, Tensor]:
    return {
        f"{slot}.{name}": tensor.float()
        for slot, written in result.trained.items()
        for name, tensor in unpack(store.get_blob(BlobId(written.component))).items()
    }


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, frozenset[str], dict[str, HparamValue]]:
    """A member, what of it is trained, and hyperparameters."""
    member = draw(st.sampled_from(MEMBERS))
    names = family_of(member).layout(member).root_slots()
    trainable: frozenset[str] = draw(st.frozensets(st.sampled_from(names)))
    changes: tuple[dict[str, HparamValue], ...] = ({}, {"data.flip": True}, {"data.resolution": 24})
    hparams = draw(st.sampled_from(changes))
    if "data.resolution" in hparams:
        trainable |= {name for name in names if name.startswith("dense_0")}
    return member, trainable, hparams


@examples(5)
@given(cases(), st.sampled_from(["fp32", "bf16"]))
def test_both_engines_train_alike(
    case: tuple[str, frozenset[str], dict[str, HparamValue]], precision: str
) -> None:
    member, trainable, hparams = case
    store, root = planted(member)
    job = job_of(root, trainable, hparams, precision)
    plain, fast = (trained(store, job, engine) for engine in ("plain", "fast"))
    assert fast.losses == pytest.approx(plain.losses, abs=ATOL[precision])
    assert (fast.samples, fast.flops) == (plain.samples, plain.flops)
    if precision == "fp32":
        assert fast.accuracies == plain.accuracies
    if fast.best_cycle == plain.best_cycle:
        expected, found = weights_of(store, plain), weights_of(store, fast)
        assert set(found) == set(expected)
        for name, tensor in found.items():
            torch.testing.assert_close(tensor, expected[name], atol=ATOL[precision], rtol=0.05, msg=name)


@examples(4)
@given(cases(), st.sampled_from(["fp32", "bf16"]), st.sampled_from([0, 1, 3_000, 1 << 24]))
def test_what_is_remembered_changes_no_bit(
    case: tuple[str, frozenset[str], dict[str, HparamValue]], precision: str, remember_bytes: int
) -> None:
    member, trainable, hparams = case
    store, root = planted(member)
    job = job_of(root, trainable, hparams, precision)
    assert trained(store, job, "fast", remember_bytes) == trained(store, job, "fast")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("member", ["mlp-128", "mlp-rgb-512", "convnet-16", "convnet-32"])
def test_an_images_activations_do_not_depend_on_its_place_in_the_batch(
    member: str, dtype: torch.dtype
) -> None:
    family = family_of(member)
    layout, hparams = family.layout(member), family.space(member).defaults()
    slots = [layout.slot(name, hparams, 3) for name in layout.root_slots()]
    generator = torch.Generator().manual_seed(0)
    edge = int(hparams["data.resolution"])
    x = torch.rand(256, 3, edge, edge, generator=generator).to(dtype)
    order = torch.randperm(256, generator=generator)
    moved = x[order]
    with torch.no_grad():
        for layer, slot in zip(family.chain(slots), slots, strict=True):
            tensors = {k: t.to(dtype) for k, t in family.init(slot, generator).items()}
            x, moved = layer.apply(tensors, x), layer.apply(tensors, moved)
            assert torch.equal(x[order], moved), slot.name


def bars(seed: int) -> ArrayData:
    """Bright bars that lie or stand, in noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(160) % 2
    images: NDArray[np.uint8] = rng.integers(0, 120, (160, 16, 16), dtype=np.uint8)
    for image, label, place in zip(images, labels, rng.integers(0, 13, 160), strict=True):
        rows = slice(place, place + 3)
        image[(rows, slice(None)) if label else (slice(None), rows)] += 110
    return arrays(images, labels)


@pytest.fixture
def grove(member: str) -> Grove:
    grove = Grove.create(MemoryBackend(), RootSpec(member=member))
    for seed, name in enumerate(("first", "second")):
        grove.add_task(name, bars(seed))
    return grove


@pytest.mark.parametrize("member", MEMBERS)
def test_mu2net_plus_grows_them(grove: Grove, member: str) -> None:
    options: dict[str, HparamValue] = {"generations": 2, "children": 3}
    train = replace(QUICK, cycles=4, samples_cap=128)
    defaults: dict[str, HparamValue] = {"opt.lr": 0.05}
    grove.grow(iterations=1, train=train, options=options, defaults=defaults, device="cpu")
    view = grove.view()
    assert {model.member for model in view.published()} == {member}
    for task in ("first", "second"):
        assert grove.evaluate(task).accuracy > 0.8
        layout = family_of(member).layout(member)
        layout.check([c.slot for c in view.models[view.bests[TaskName(task)]].components])


@pytest.mark.parametrize(
    ("member", "method"),
    [
        (member, method)
        for member in MEMBERS
        for method in sorted(OPTIONS)
        if (member, method) != ("grouped-tiny-test", "fine_tune_top")  # groups are no layers to count
    ],
)
def test_other_methods_grow_them(grove: Grove, method: str) -> None:
    grove.grow(agent=method, iterations=1, train=QUICK, options=OPTIONS[method], device="cpu")
    assert set(grove.view().bests) == {"first", "second"}


@pytest.mark.parametrize("member", MEMBERS)
def test_residual_adapters_say_that_there_is_no_place(grove: Grove, member: str) -> None:
    with pytest.raises(BadValueError, match=f"{member} has no place for residual adapters"):
        grove.grow(agent="residual_adapters", iterations=1, train=QUICK, device="cpu")
