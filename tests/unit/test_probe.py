"""Probes compare two networks layer by layer, in bounded memory, and find what differs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from taskgrove.backbones.load import load_model
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.ids import ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import ProbeJob
from taskgrove.domain.records import AddRoot, Model, identified
from taskgrove.experiment.build import build_root
from taskgrove.experiment.spec import RootSpec
from taskgrove.store.store import Store
from taskgrove.store.tensors import unpack
from taskgrove.tasks.preprocess import eval_batch
from taskgrove.trainer.prefix.key import Prefix
from taskgrove.trainer.probe import grams
from taskgrove.trainer.run import Trainer
from taskgrove.trainer.similarity.gram import Gram
from taskgrove.trainer.similarity.measures import DISSIMILARITIES
from taskgrove.trainer.similarity.memory import GramMemory
from tests.unit.small_jobs import MEMBER, make_data, root, store

__all__ = ["root", "store"]
CPU = torch.device("cpu")
A = TaskName("a")


@pytest.fixture
def trainer(store: Store) -> Trainer:
    return Trainer(store, lambda _: make_data(), CPU)


def another(store: Store, root: Model, slots: tuple[str, ...]) -> Model:
    """A root that differs in these slots."""
    fresh = build_root(RootSpec(member=MEMBER, seed=5), store.put_blob)
    parts = tuple(
        new if old.slot in slots else old for old, new in zip(root.components, fresh.components, strict=True)
    )
    model = identified(replace(root, components=parts, seed=5))
    store.commit(AddRoot(model=model))
    return model


def job(*models: Model, **changes: object) -> ProbeJob:
    return replace(ProbeJob(task=A, models=(models[0].id, models[1].id), threads=1), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("measure", sorted(DISSIMILARITIES))
@pytest.mark.usefixtures("threads")
def test_layers_conflict_from_the_first_that_differs(
    store: Store, root: Model, trainer: Trainer, measure: str
) -> None:
    slots = [component.slot for component in root.components]
    other = another(store, root, (slots[3],))
    found = trainer.probe(job(root, other, measure=measure))
    assert found.num_samples == 30
    assert list(found.conflicts) == slots
    values = list(found.conflicts.values())[:-1]  # a root's head is zero and sees no differences
    assert values[:3] == pytest.approx([0.0] * 3, abs=1e-9)
    assert all(value > 1e-4 for value in values[3:])
    same = trainer.probe(job(root, root, measure=measure))
    assert list(same.conflicts.values()) == pytest.approx([0.0] * (len(slots) - 1) + [1.0], abs=1e-9)


@pytest.mark.parametrize("at_once", [1, 7, 10, 29, 30, 1000])
def test_tiles_give_what_all_samples_at_once_give(store: Store, root: Model, at_once: int) -> None:
    images = torch.from_numpy(make_data().val.images)
    network = load_model(root, lambda blob: unpack(store.get_blob(blob)), device=CPU)

    def batch(samples: slice) -> Tensor:
        return eval_batch(images[samples], root.hparams)

    tiled = grams(network, batch, len(images), at_once, CPU)
    x = batch(slice(0, len(images)))
    for layer, slot in zip(network.family.chain(network.slots), network.slots, strict=True):
        x = layer.apply(network.tensors(slot.name), x)
        expected = torch.eye(len(x)) if slot.name == "head" else torch.corrcoef(x.flatten(1).double())
        expected = expected.double().nan_to_num()
        torch.testing.assert_close(tiled[slot.name].correlations(), expected, atol=1e-5, rtol=0)


def test_layers_that_were_probed_before_are_not_computed_again(
    store: Store, root: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = [component.slot for component in root.components]
    models = [root, another(store, root, (slots[4],)), another(store, root, (slots[2], slots[4]))]
    probes = [job(one, other) for one in models for other in models]
    expected = [Trainer(store, lambda _: make_data(), CPU).probe(each) for each in probes]
    tiles: list[int] = []
    add_tile = Gram.add_tile

    def counted(gram: Gram, row: int, rows: Tensor, column: int, columns: Tensor) -> None:
        tiles.append(row)
        add_tile(gram, row, rows, column, columns)

    monkeypatch.setattr(Gram, "add_tile", counted)
    trainer = Trainer(store, lambda _: make_data(), CPU)
    assert [trainer.probe(each) for each in probes] == expected
    assert len(tiles) == sum(len(slots) - first_own for first_own in (0, 4, 2))


def test_remembered_inner_products_keep_within_their_limit() -> None:
    slots = [SlotName(name) for name in "abc"]
    prefix = Prefix(
        data="t",
        split="val",
        resolution=8,
        dtype=torch.float32,
        arithmetic="",
        family="vit",
        layers=tuple((slot, ComponentId(slot)) for slot in slots),
    )
    grams = {slot: Gram(4, CPU) for slot in slots}
    memory = GramMemory(2 * grams[slots[0]].nbytes)
    memory.keep(prefix, grams, 4)
    assert memory.of(prefix, slots, 4) == {slot: grams[slot] for slot in slots[1:]}
    assert memory.of(prefix, slots, 5) == {}


def test_only_layers_that_both_have_are_compared(store: Store, root: Model, trainer: Trainer) -> None:
    last_block = [c.slot for c in root.components if c.kind == root.components[3].kind][-1]
    parts = tuple(component for component in root.components if component.slot != last_block)
    shorter = identified(replace(root, components=parts))
    store.commit(AddRoot(model=shorter))
    found = trainer.probe(job(root, shorter)).conflicts
    assert last_block not in found
    assert list(found) == [c.slot for c in parts]


def test_what_does_not_exist_is_refused(store: Store, root: Model, trainer: Trainer) -> None:
    with pytest.raises(UnknownNameError, match="split"):
        trainer.probe(job(root, root, split="nightly"))
    with pytest.raises(UnknownNameError, match="live model"):
        trainer.probe(replace(job(root, root), models=(root.id, ModelId("nobody"))))
    with pytest.raises(UnknownNameError, match="dissimilarity"):
        trainer.probe(job(root, root, measure="taste"))
    with pytest.raises(BadValueError, match="at least 3 samples"):
        trainer.probe(job(root, root, samples=2))
