"""One experiment learns from four kinds of data: TensorFlow Datasets, Hugging Face, image files, NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import tensorflow_datasets as tfds
from numpy.typing import NDArray

import taskgrove
from taskgrove.tasks.load import fingerprint, reload
from tests.unit.tfds_sets import SHADES, encoded, write

EXPERIMENT = """
name = "four"
device = "cpu"
root.member = "vit-tiny-test"
agent = { iterations = 1, generations = 1, children = 2 }
train = { cycles = 1, samples_cap = 8, batch_size = 8, val_cap = 8, precision = "fp32", threads = 1 }
tasks = [
  { name = "prepared", source = "tfds:shades?dir=FOLDER/tfds" },
  { name = "saved", source = "hub:FOLDER/saved", test = "held" },
  { name = "files", source = "folder:FOLDER/files", train = "all[stratified :50%]", \
val = "all[stratified 50%:75%]", test = "all[stratified 75%:]" },
  { name = "arrays", source = "npz:FOLDER/arrays.npz" },
]
"""
SIZES = {"train": 16, "val": 8, "test": 8}


def shades(seed: int) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]]:
    """Images of noise (N, 8, 8, 3), half of them light, and labels, by split."""
    rng = np.random.default_rng(seed)
    labels = {split: np.arange(number) % 2 for split, number in SIZES.items()}
    return {
        split: ((rng.integers(0, 100, (len(y), 8, 8, 3)) + 120 * y[:, None, None, None]).astype(np.uint8), y)
        for split, y in labels.items()
    }


def write_prepared(folder: Path) -> None:
    features = {
        "image": tfds.features.Image(shape=(8, 8, 3)),
        "label": tfds.features.ClassLabel(names=SHADES),
    }
    rows = {
        split: [{"image": encoded(image), "label": int(label)} for image, label in zip(x, y, strict=True)]
        for split, (x, y) in shades(0).items()
    }
    write(folder / "tfds", "shades", features, rows)


def write_saved(folder: Path) -> None:
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(SHADES))})
    splits: dict[str, Any] = {}
    for split, (x, y) in shades(1).items():
        rows = {"image": list(x), "label": y.tolist()}
        name = {"test": "held"}.get(split, split)
        splits[name] = datasets.Dataset.from_dict(rows, features=kinds)
    datasets.DatasetDict(splits).save_to_disk(str(folder / "saved"))


def write_files(folder: Path) -> None:
    for split, (x, y) in shades(2).items():
        for number, (image, label) in enumerate(zip(x, y, strict=True)):
            path = folder / "files" / SHADES[label] / f"{split}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(image).read())


def write_arrays(folder: Path) -> None:
    arrays: dict[str, NDArray[Any]] = {}
    for split, (x, y) in shades(3).items():
        arrays |= {f"x_{split}": x, f"y_{split}": y}
    np.savez(folder / "arrays.npz", allow_pickle=True, **arrays)


def test_four_kinds_of_data_are_learned_in_one_experiment_and_read_again(tmp_path: Path) -> None:
    for make in (write_prepared, write_saved, write_files, write_arrays):
        make(tmp_path)
    experiment = tmp_path / "four.toml"
    experiment.write_text(EXPERIMENT.replace("FOLDER", str(tmp_path)))
    taskgrove.run(taskgrove.read_experiment(experiment), tmp_path / "grove")
    grove = taskgrove.open(tmp_path / "grove", writable=False)
    view = grove.view()
    assert set(view.bests) == {"prepared", "saved", "files", "arrays"}
    tested = grove.evaluations()
    assert {tested[model]["test"].num_samples for model in view.bests.values()} == {SIZES["test"]}
    assert {str(name): spec.source for name, spec in view.tasks.items()} == {
        "prepared": f"tfds:shades:1.0.0?dir={tmp_path}/tfds&image=auto&label=auto&size=auto",
        "saved": f"hub:{tmp_path}/saved?config=auto&image=auto&label=auto&size=auto",
        "files": f"folder:{tmp_path}/files?size=auto",
        "arrays": f"npz:{tmp_path}/arrays.npz",
    }
    for spec in view.tasks.values():
        data = reload(spec)
        assert fingerprint(data) == spec.fingerprint
        assert dict(spec.sizes) == SIZES
        assert data.train.images.shape == (16, 8, 8, 3)
