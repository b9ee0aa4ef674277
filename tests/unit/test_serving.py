"""Predictions of several tasks: those of each model by itself, with shared layers computed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from taskgrove.backbones.base import Layer, Tensors
from taskgrove.backbones.families import family_of
from taskgrove.backbones.load import load_model
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.ids import BlobId, ComponentId, TaskName
from taskgrove.domain.layout import Slot
from taskgrove.domain.records import Component, Model, TaskSpec, identified
from taskgrove.domain.view import SystemView
from taskgrove.serving.memory import ImageMemory
from taskgrove.serving.predict import predict
from taskgrove.serving.predictor import BATCH, Predictor
from taskgrove.tasks.preprocess import eval_batch
from tests.unit.small_jobs import HPARAMS, MEMBER

A, B, C, D = (TaskName(name) for name in "abcd")
OWN = {A: ("head",), B: ("block_1", "head"), C: ("embedding", "head"), D: ("pos", "head")}
"""Slots that a task has for itself; `d` looks at its images in another resolution."""
SMALLER = {**HPARAMS, "data.resolution": 8}
FAMILY = family_of(MEMBER)
Apply = Callable[[Tensors, Tensor], Tensor]
SLOTS = FAMILY.layout(MEMBER).root_slots()


def hparams_of(task: TaskName) -> Mapping[str, int | float | str | bool]:
    return SMALLER if task == D else HPARAMS


def model_of(task: TaskName) -> Model:
    components = tuple(
        Component(slot=s, kind=s, id=ComponentId(f"{s}/{task if s in OWN[task] else ''}"), num_params=1)
        for s in SLOTS
    )
    return identified(
        Model(member=MEMBER, num_classes=3, components=components, hparams=hparams_of(task), task=task)
    )


def spec_of(task: TaskName) -> TaskSpec:
    return TaskSpec(
        name=task,
        source="npz:x",
        splits={},
        class_names=("red", "green", "blue"),
        sizes={},
        image_shape=(8, 8, 1),
        fingerprint="",
    )


MODELS = {task: model_of(task) for task in OWN}
NOBODY = TaskName("nobody")
VIEW = SystemView(
    number=3,
    tasks={task: spec_of(task) for task in (*OWN, NOBODY)},
    models={model.id: model for model in MODELS.values()},
    bests={task: model.id for task, model in MODELS.items()},
)


def fetch(blob: BlobId) -> dict[str, Tensor]:
    name, _, task = blob.partition("/")
    slot = FAMILY.layout(MEMBER).slot(next(s for s in SLOTS if s == name), hparams_of(TaskName(task)), 3)
    generator = torch.Generator().manual_seed(sum(blob.encode()))
    return {k: torch.randn(shape, generator=generator) * 0.3 for k, shape in slot.shapes.items()}


def plain(task: TaskName, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities of a model by itself, layer by layer."""
    network, logits = load_model(MODELS[task], fetch), []
    with torch.inference_mode():
        for chunk in torch.split(torch.from_numpy(images), BATCH):
            x = prepared = eval_batch(chunk, hparams_of(task))
            for layer, slot in zip(FAMILY.chain(network.slots), network.slots, strict=True):
                x = layer.apply(network.tensors(slot.name), x)
            torch.testing.assert_close(x, network(prepared), atol=1e-5, rtol=1e-5)
            logits.append(x)
        return torch.cat(logits).softmax(dim=1).numpy()


def pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Images that each slot has computed."""
    counts: Counter[str] = Counter()
    chain = FAMILY.chain

    def counted(slot: str, apply: Apply, tensors: Tensors, x: Tensor) -> Tensor:
        counts[slot] += len(x)
        return apply(tensors, x)

    def watched(_: object, slots: Sequence[Slot]) -> tuple[Layer, ...]:
        layers = zip(chain(slots), slots, strict=True)
        return tuple(each._replace(apply=partial(counted, slot.name, each.apply)) for each, slot in layers)

    monkeypatch.setattr(type(FAMILY), "chain", watched)
    return counts


@pytest.mark.parametrize("count", [1, 5, BATCH + 3])
def test_several_tasks_answer_as_each_model_by_itself_to_the_last_bit(count: int) -> None:
    images = pictures(count)
    found = Predictor(VIEW, fetch).predict(images)
    assert list(found) == [A, B, C, D]
    for task, answer in found.items():
        np.testing.assert_array_equal(answer.probabilities, plain(task, images), strict=True)
        assert answer.model == MODELS[task].id
        assert answer.names == tuple(("red", "green", "blue")[label] for label in answer.labels)
        alone = predict(VIEW, fetch, task, images)
        np.testing.assert_array_equal(alone.probabilities, answer.probabilities, strict=True)


def test_what_models_share_computes_an_image_once_and_is_read_once(applied: Counter[str]) -> None:
    fetched: Counter[str] = Counter()

    def counted(blob: BlobId) -> dict[str, Tensor]:
        fetched[blob] += 1
        return fetch(blob)

    predictor = Predictor(VIEW, counted, [A, B, C])
    predictor.predict(pictures(10), [A, B])
    assert applied["embedding"] == applied["block_0"] == 10
    assert applied["block_1"] == applied["norm"] == applied["head"] == 20
    assert "embedding/c" not in fetched
    predictor.predict(pictures(10))
    assert applied["block_0"] == 10 + 20, "another embedding makes another input"
    assert set(fetched.values()) == {1}


@pytest.mark.parametrize("limit", [1, 3_000, 1 << 24])
def test_remembered_images_give_the_same_answers(limit: int) -> None:
    predictor = Predictor(VIEW, fetch, remember_bytes=limit)
    for seed, count, tasks in ((0, 5, [A]), (0, 5, [B, A]), (0, 9, [C, D, B]), (1, 4, None), (0, 9, None)):
        images = pictures(count, seed)
        for task, answer in predictor.predict(images, tasks).items():
            np.testing.assert_allclose(answer.probabilities, plain(task, images), atol=1e-5)


def test_an_image_that_is_asked_for_again_is_computed_from_the_fork_on(applied: Counter[str]) -> None:
    predictor = Predictor(VIEW, fetch, [A, B], remember_bytes=1 << 24)
    first = predictor.predict(pictures(4), [A])[A]
    applied.clear()
    again = predictor.predict(pictures(4), [A])[A]
    assert not applied, "the answer itself is remembered"
    np.testing.assert_array_equal(again.probabilities, first.probabilities)
    predictor.predict(np.concatenate([pictures(4), pictures(2, seed=1)]), [B])
    assert applied["block_0"] == 2, "two images are new"
    assert applied["block_1"] == applied["head"] == 6


def test_image_memory_keeps_within_its_limit_and_forgets_the_least_recently_used() -> None:
    row = torch.zeros(1, 100)
    memory = ImageMemory(2 * (400 + 200))
    for name in (b"a", b"b", b"a", b"c"):
        if memory.find(0, name) is None:
            memory.keep(0, [name], row)
    assert [memory.find(0, name) is not None for name in (b"a", b"b", b"c")] == [True, False, True]
    assert memory.find(1, b"a") is None


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no model yet"):
        Predictor(VIEW, fetch, [NOBODY])
    with pytest.raises(UnknownNameError, match="no task named 'stranger'"):
        Predictor(VIEW, fetch, [TaskName("stranger")])
    predictor = Predictor(VIEW, fetch, [A])
    with pytest.raises(UnknownNameError, match=r"no task of this predictor named 'b'.*Known: a"):
        predictor.predict(pictures(1), [B])
    with pytest.raises(BadValueError, match="uint8"):
        predictor.predict(np.zeros((1, 8, 8)))
    strange = identified(replace(MODELS[A], member="lichen-7"))
    view = replace(VIEW, models={strange.id: strange}, bests={A: strange.id})
    with pytest.raises(UnknownNameError, match="lichen-7"):
        Predictor(view, fetch)
