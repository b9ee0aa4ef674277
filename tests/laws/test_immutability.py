"""Law 1: published bytes never change, and a published model predicts the same at any later commit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from taskgrove.coordinator.base import Event, Stage
from taskgrove.domain.ids import BlobId, ModelId, TaskName
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import RootSpec, TrainSpec
from taskgrove.serving.predict import predict
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.tensors import unpack
from taskgrove.tasks.sources.arrays import ArrayData, arrays
from tests.laws.examples import examples


def make_task(seed: int, classes: int) -> ArrayData:
    """Noisy 8×8 images, each class brighter in another row."""
    rng = np.random.default_rng(seed)
    labels = np.arange(20 * classes) % classes
    images = rng.integers(0, 120, (len(labels), 8, 8), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label] += 100
    return arrays(images, labels)


class Witness:
    """Looks at every published model whenever something is published."""

    def __init__(self, grove: Grove, images: NDArray[np.uint8]) -> None:
        self.grove = grove
        self.images = images
        self.predictions: dict[ModelId, NDArray[np.float32]] = {}
        self.blobs: dict[BlobId, bytes] = {}
        self.looks = 0

    def observe(self, event: Event) -> None:
        if event.stage is Stage.ENDED:
            self.look()

    def look(self) -> None:
        view, store = self.grove.view(), self.grove.store
        for task, identity in view.bests.items():
            found = predict(view, lambda b: unpack(store.get_blob(b)), task, self.images).probabilities
            first = self.predictions.setdefault(identity, found)
            np.testing.assert_array_equal(found, first, strict=True)
        for model in view.models.values():
            for component in model.components:
                blob = BlobId(component.id)
                assert self.blobs.setdefault(blob, store.get_blob(blob)) == store.get_blob(blob)
        self.looks += 1


@examples(2)
@given(seed=st.integers(0, 2**31), private=st.sampled_from(["train", "mutate"]))
def test_published_models_never_change_while_the_system_grows(seed: int, private: str) -> None:
    grove = Grove.create(MemoryBackend(), RootSpec(member="vit-tiny-test", seed=seed))
    for name, classes in (("two", 2), ("three", 3), ("four", 4)):
        grove.add_task(name, make_task(classes, classes))
    witness = Witness(grove, make_task(9, 4).raw.splits["train"].images[:16])
    grove.grow(
        iterations=2,
        seed=seed,
        train=TrainSpec(cycles=1, batch_size=16, threads=1, precision="fp32"),
        options={"generations": 1, "children": 3, "private": private},
        observe=witness.observe,
    )
    witness.look()
    assert witness.looks == 7
    assert len(witness.predictions) >= 3


def test_an_old_view_still_predicts() -> None:
    grove = Grove.create(MemoryBackend(), RootSpec(member="vit-tiny-test"))
    grove.add_task("two", make_task(1, 2))
    small = TrainSpec(cycles=1, batch_size=16, threads=1)
    grove.grow(iterations=1, train=small, options={"generations": 1, "children": 2})
    old = grove.view()
    images = make_task(3, 2).raw.splits["train"].images
    before = grove.predict("two", images)
    grove.grow(iterations=1, train=small, options={"generations": 1, "children": 4})
    store = grove.store
    again = predict(store.view(old.number), lambda b: unpack(store.get_blob(b)), TaskName("two"), images)
    assert again.model == before.model
    np.testing.assert_array_equal(again.probabilities, before.probabilities)
