"""The fast way against the plain one: the same training up to rounding, and memory changes no bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from taskgrove.backbones.families import family_of
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import BlobId, SlotName
from taskgrove.domain.jobs import Clone, Fresh, Origin, Share, TrainJob, TrainResult
from taskgrove.domain.records import AddRoot, Model
from taskgrove.experiment.build import build_root
from taskgrove.experiment.spec import RootSpec
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.tensors import unpack
from taskgrove.tasks.base import Split, TaskData
from taskgrove.trainer import fast
from taskgrove.trainer.fast import FastLearner
from taskgrove.trainer.prefix.key import CHUNK, Prefix
from taskgrove.trainer.prefix.prefixes import Prefixes
from taskgrove.trainer.run import Trainer
from tests.laws.examples import examples
from tests.unit.small_jobs import CONFIG, HPARAMS, MEMBER, make_data, make_job

SLOTS = ("embedding", "cls", "pos", "block_0", "block_1", "norm", "head")
ATOL = {"fp32": 2e-5, "bf16": 2e-2}
"""Of losses and parameters after 18 steps in float32, which rounds at 1e-7 of a value, and 6 steps in
bfloat16, which rounds at 4e-3, in every product of every step; parameters move by about 0.1."""


def planted() -> tuple[Store, Model]:
    store = Store.create(MemoryBackend())
    root = build_root(RootSpec(member=MEMBER), store.put_blob)
    store.commit(AddRoot(model=root))
    return store, root


def pos_of(root: Model) -> Clone:
    return Clone(component=next(c.id for c in root.components if c.slot == "pos"))


def job_of(
    root: Model,
    trainable: frozenset[str],
    hparams: dict[str, HparamValue],
    precision: str,
    engine: str,
    slow: frozenset[str] = frozenset(),
) -> TrainJob:
    origins: dict[str, Origin] = {
        c.slot: Clone(component=c.id, rate=0.1 if c.slot in slow else 1.0)
        if c.slot in trainable
        else Share(component=c.id)
        for c in root.components
    }
    origins["head"] = Fresh()
    if "data.resolution" in hparams:
        origins["pos"] = replace(pos_of(root), resize=True)
    slots = tuple((SlotName(name), origins[name]) for name in SLOTS)
    cycles = 1 if precision == "bf16" else CONFIG.cycles
    config = replace(CONFIG, precision=precision, engine=engine, cycles=cycles)
    return make_job(root, slots=slots, hparams={**HPARAMS, "opt.lr": 0.02, **hparams}, config=config)


def trained(store: Store, job: TrainJob, remember_bytes: int = 1 << 24) -> TrainResult:
    data = make_data()
    trainer = Trainer(store, lambda _: data, torch.device("cpu"), remember_bytes=remember_bytes)
    result = trainer.train(job)
    assert isinstance(result, TrainResult)
    return result


def tensors_of(store: Store, result: TrainResult) -> dict[str, Tensor]:
    return {
        f"{slot}.{part}.{name}": tensor.float()
        for slot, written in result.trained.items()
        for part, blob in (("weights", BlobId(written.component)), ("momentum", written.momentum))
        if blob is not None
        for name, tensor in unpack(store.get_blob(blob)).items()
    }


TRAINABLE = st.frozensets(st.sampled_from(SLOTS))
SETTINGS: st.SearchStrategy[dict[str, HparamValue]] = st.sampled_from(
    [
        {},
        {"opt.nesterov": True, "opt.momentum": 0.98},
        {"data.area_min": 0.5, "data.flip": True, "data.brightness": 0.2},
        {"data.resolution": 12, "data.hue": 0.1},
        {"data.resolution": 12, "data.flip": True},
    ]
)


@examples(8)
@given(trainable=TRAINABLE, hparams=SETTINGS, precision=st.sampled_from(["fp32", "bf16"]), slow=TRAINABLE)
def test_the_fast_way_trains_as_the_plain_way(
    trainable: frozenset[str], hparams: dict[str, HparamValue], precision: str, slow: frozenset[str]
) -> None:
    store, root = planted()
    if "data.resolution" in hparams:
        trainable = trainable | {"pos"}
    plain, fast = (
        trained(store, job_of(root, trainable, hparams, precision, engine, slow))
        for engine in ("plain", "fast")
    )
    assert fast.losses == pytest.approx(plain.losses, abs=ATOL[precision])
    if precision == "fp32":
        assert fast.accuracies == plain.accuracies
    assert (fast.samples, fast.flops) == (plain.samples, plain.flops)
    if fast.best_cycle == plain.best_cycle:
        expected, found = tensors_of(store, plain), tensors_of(store, fast)
        assert set(found) == set(expected)
        for name, tensor in found.items():
            atol = max(ATOL[precision], 4e-3 if "momentum" in name else 0.0)  # momentum is kept in bfloat16
            torch.testing.assert_close(tensor, expected[name], atol=atol, rtol=0.05, msg=name)


@pytest.mark.parametrize("changes", [{"data.flip": True}, {"data.area_min": 0.5, "data.contrast": 0.2}])
@pytest.mark.parametrize("at_once", [16, 40, 64])
def test_how_many_changed_images_pass_frozen_layers_together_does_not_matter(
    at_once: int, changes: dict[str, HparamValue], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches are of 16, six per cycle: one, two or four of them go together."""
    store, root = planted()
    job = job_of(root, frozenset({"norm"}), changes, "fp32", "fast")
    usual, sizes = trained(store, job), []
    below = FastLearner._below

    def watched(learner: FastLearner, x: Tensor) -> Tensor:
        sizes.append(len(x))
        return below(learner, x)

    monkeypatch.setattr(FastLearner, "_below", watched)
    monkeypatch.setattr(fast, "chunk_of", lambda _: at_once)
    result = trained(store, job)
    assert set(sizes) == {16: {16}, 40: {32}, 64: {64, 32}}[at_once]
    assert result.losses == pytest.approx(usual.losses, abs=ATOL["fp32"])
    assert result.accuracies == usual.accuracies


@pytest.mark.parametrize(("channels", "remembers"), [(1, True), (3, False)])
def test_grey_images_whose_colours_would_change_are_remembered(channels: int, remembers: bool) -> None:
    store, root = planted()
    job = job_of(root, frozenset({"norm"}), {"data.hue": 0.2, "data.saturation": 0.2}, "fp32", "fast")
    grey = make_data()
    train, rest = (
        Split(images=s.images.repeat(channels, -1), labels=s.labels) for s in (grey.train, grey.val)
    )
    data = TaskData(train=train, val=rest, test=rest, class_names=grey.class_names)
    trainer = Trainer(store, lambda _: data, torch.device("cpu"))
    result = trainer.train(job)
    assert (trainer.meters()["activations"] > CONFIG.cycles * len(data.val)) == remembers
    plain = Trainer(store, lambda _: data, torch.device("cpu")).train(
        replace(job, config=replace(job.config, engine="plain"))
    )
    assert isinstance(result, TrainResult)
    assert isinstance(plain, TrainResult)
    assert result.losses == pytest.approx(plain.losses, abs=ATOL["fp32"])


@examples(5)
@given(
    trainable=TRAINABLE,
    precision=st.sampled_from(["fp32", "bf16"]),
    remember_bytes=st.sampled_from([0, 1, 3_000, 20_000, 1 << 24]),
)
def test_what_is_remembered_changes_no_bit(
    trainable: frozenset[str], precision: str, remember_bytes: int
) -> None:
    store, root = planted()
    job = job_of(root, trainable, {}, precision, "fast")
    fresh = trained(store, job, remember_bytes)
    data = make_data()
    busy = Trainer(store, lambda _: data, torch.device("cpu"))
    for seed in (1, 2):  # siblings with other orders of data fill the memory
        busy.train(replace(job, seed=seed, config=replace(job.config, samples_cap=40)))
    assert busy.train(job) == fresh


def test_nothing_is_computed_twice_while_there_is_room() -> None:
    store, root = planted()
    data = make_data()
    trainer = Trainer(store, lambda _: data, torch.device("cpu"))
    job = job_of(root, frozenset({"block_1"}), {}, "fp32", "fast")
    for seed in range(3):
        trainer.train(replace(job, seed=seed))
    meters = trainer.meters()
    per_child = CONFIG.cycles * (len(data.train.labels) + len(data.val.labels))
    assert meters["activations"] == 3 * per_child
    assert meters["activations_computed"] == len(data.train.labels) + len(data.val.labels)


def test_memory_keeps_within_its_limit_and_forgets_the_least_recently_used() -> None:
    computed: list[tuple[str, int]] = []

    def rows(prefixes: Prefixes, key: str) -> None:
        def compute(index: Tensor) -> Tensor:
            computed.append((key, len(index)))
            return index[:, None].float()

        prefix = Prefix(
            data=key, split="train", resolution=8, dtype=torch.float32, arithmetic="", family="", layers=()
        )
        values = prefixes.rows(prefix, 1000, torch.tensor([7, 3, 7, 999]), compute)
        assert values.flatten().tolist() == [7.0, 3.0, 7.0, 999.0]

    one = 1000 + 4 * 1000  # what is known of 1,000 images, and a float32 for each
    prefixes = Prefixes(2 * one)
    for key in "abacab":
        rows(prefixes, key)
    assert [key for key, _ in computed] == ["a", "b", "c", "b"]
    assert {size for _, size in computed} == {CHUNK}
    small = Prefixes(one - 1)
    computed.clear()
    for key in "aa":
        rows(small, key)
    assert [key for key, _ in computed] == ["a", "a"]


def test_random_preprocessing_is_never_remembered_in_training() -> None:
    store, root = planted()
    data = make_data()
    trainer = Trainer(store, lambda _: data, torch.device("cpu"))
    trainer.train(job_of(root, frozenset(), {"data.flip": True}, "fp32", "fast"))
    assert trainer.meters()["activations"] == CONFIG.cycles * len(data.val.labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("resolution", [16, 32, 80])
def test_an_images_activations_do_not_depend_on_its_place_in_the_batch(
    dtype: torch.dtype, resolution: int
) -> None:
    """What makes memory change no bit; a batch of the size in which activations are computed."""
    family = family_of("vit-ti3")
    layout = family.layout("vit-ti3")
    slots = [layout.slot(n, {"data.resolution": resolution}, 3) for n in layout.root_slots()]
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(256, 3, resolution, resolution, generator=generator).to(dtype)
    order = torch.randperm(256, generator=generator)
    x, moved = images, images[order]
    with torch.no_grad():
        for layer, slot in zip(family.chain(slots), slots, strict=True):
            tensors = {k: t.to(dtype) for k, t in family.init(slot, generator).items()}
            x, moved = layer.apply(tensors, x), layer.apply(tensors, moved)
            assert torch.equal(x[order], moved), slot.name
