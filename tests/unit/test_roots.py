"""Root models: random or from a weights file, the same on every machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import taskgrove
from taskgrove.backbones.load import load_model
from taskgrove.experiment.build import ROOT_CLASSES, build_root
from taskgrove.experiment.spec import RootSpec
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.store import Store
from taskgrove.store.tensors import unpack
from taskgrove.tasks.preprocess import eval_batch
from tests.unit.plain_vit import save_timm, tiny_plain_vit

MEMBER = "vit-tiny-test"


def test_a_root_computes_what_its_weights_file_says(tmp_path: Path) -> None:
    plain = tiny_plain_vit()
    save_timm(plain, tmp_path / "root.safetensors")
    grove = taskgrove.create(tmp_path / "grove", root=MEMBER, weights=str(tmp_path / "root.safetensors"))
    view = grove.view()
    model = view.models[view.roots[0]]
    network = load_model(model, lambda blob: unpack(grove.store.get_blob(blob)))
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8))
    x = eval_batch(images, model.hparams)
    with torch.inference_mode():
        for slot in network.slots[:-1]:
            x = network.family.apply(slot, network.tensors(slot.name), x)
        # The file's head is not read, since a root serves no task; put it on top to compare.
        logits = plain.head(x)
        expected = plain(eval_batch(images, model.hparams))
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)


def test_a_random_root_depends_on_its_seed_alone() -> None:
    store = Store.create(MemoryBackend())
    one, same, other = (build_root(RootSpec(member=MEMBER, seed=s), store.put_blob) for s in (1, 1, 2))
    assert one == same
    drawn = {c.slot for c, d in zip(one.components, other.components, strict=True) if c.id != d.id}
    assert drawn == {"embedding", "pos", "block_0", "block_1"}


def test_the_root_of_the_paper_has_the_papers_size() -> None:
    store = Store.create(MemoryBackend())
    root = build_root(RootSpec(member="vit-ti3"), store.put_blob)
    assert root.num_params == 1_484_162
    assert root.num_classes == ROOT_CLASSES
    tokens, width = 5, 192
    block = tokens * (4 * width**2 + 2 * width * 768) + 2 * tokens**2 * width
    assert root.flops == 2 * (4 * 768 * width + 3 * block + width * 2)
