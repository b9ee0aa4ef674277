"""Images that stay in files: cut, fingerprinted and trained on without being read as a whole."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from taskgrove.backbones.load import load_model
from taskgrove.domain.errors import TaskDataError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import TrainConfig, TrainResult
from taskgrove.domain.records import Model
from taskgrove.store.store import Store
from taskgrove.store.tensors import unpack
from taskgrove.tasks import load
from taskgrove.tasks.base import Split, TaskData, num_bytes
from taskgrove.tasks.load import describe, fingerprint, load_raw, load_task, reload
from taskgrove.tasks.mapped import MappedImages, Part, map_file
from taskgrove.tasks.roles import resolve_splits
from taskgrove.trainer.data import place, placed_bytes
from taskgrove.trainer.evaluate import num_correct
from taskgrove.trainer.run import Trainer
from taskgrove.trainer.streamed import BATCHES_AHEAD, StreamedImages
from tests.unit.small_jobs import CONFIG, HPARAMS, make_data, make_job, root, store

__all__ = ["root", "store"]

CPU = torch.device("cpu")
EXPRESSIONS = {
    "train": "train[stratified 20%:]",
    "val": "train[stratified :20%]",
    "test": "test[:6]+test[8:]+extra",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; every array stays in its file, however small or young."""
    monkeypatch.setenv("TASKGROVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("taskgrove.tasks.stamps.SETTLED_S", 0.0)
    monkeypatch.setattr("taskgrove.tasks.mapped.MAPPED_FROM_BYTES", 1)
    return tmp_path / "cache"


def content(seed: int = 0) -> dict[str, NDArray[np.integer]]:
    rng = np.random.default_rng(seed)
    arrays: dict[str, NDArray[np.integer]] = {}
    for name, count in (("train", 40), ("test", 12), ("extra", 6)):
        arrays[f"x_{name}"] = rng.integers(0, 256, (count, 5, 4, 3), dtype=np.uint8)
        arrays[f"y_{name}"] = np.arange(count) % 3
    return {**arrays, "few_index_in_train": np.array([7, 3, 5])}


def write(path: Path, *, compressed: bool = False, seed: int = 0) -> str:
    save = np.savez_compressed if compressed else np.savez
    save(path / "large.npz", **content(seed))  # type: ignore[arg-type]
    return f"npz:{path / 'large.npz'}"


def in_memory(source: str, monkeypatch: pytest.MonkeyPatch) -> TaskData:
    with monkeypatch.context() as small:
        small.setattr("taskgrove.tasks.mapped.MAPPED_FROM_BYTES", 1 << 40)
        return load_task(source, EXPRESSIONS)


def roles(data: TaskData) -> tuple[Split, Split, Split]:
    return data.train, data.val, data.test


@pytest.mark.parametrize("compressed", [False, True])
def test_mapped_archives_give_the_splits_and_the_fingerprint_of_those_in_memory(
    compressed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path, compressed=compressed)
    mapped, plain = load_task(source, EXPRESSIONS), in_memory(source, monkeypatch)
    for lazy, eager in zip(roles(mapped), roles(plain), strict=True):
        assert isinstance(lazy.pixels, MappedImages)
        assert isinstance(eager.pixels, np.ndarray)
        np.testing.assert_array_equal(lazy.images, eager.images)
        np.testing.assert_array_equal(lazy.labels, eager.labels)
    assert fingerprint(mapped) == fingerprint(plain)
    labels = sum(split.labels.nbytes for split in roles(mapped))
    assert num_bytes(mapped) == labels < num_bytes(plain)


def test_splits_of_an_archive_by_position_and_all_together_stay_in_the_file(tmp_path: Path) -> None:
    splits = load_raw(write(tmp_path)).splits
    arrays = content()
    everything = np.concatenate([arrays[f"x_{name}"] for name in ("train", "test", "extra")])
    np.testing.assert_array_equal(splits["all"].images, everything)
    np.testing.assert_array_equal(splits["few"].images, arrays["x_train"][[7, 3, 5]])
    assert all(isinstance(split.pixels, MappedImages) for split in splits.values())


def test_a_split_partly_in_memory_is_read_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path)
    whole = in_memory(source, monkeypatch)
    monkeypatch.setattr("taskgrove.tasks.mapped.MAPPED_FROM_BYTES", 1500)
    mixed = load_task(source, {"train": "test+train", "val": "extra", "test": "all"}, allow_overlap=True)
    arrays = content()
    expected = np.concatenate([arrays["x_test"], arrays["x_train"]])
    assert isinstance(mixed.train.pixels, MappedImages)
    assert isinstance(mixed.val.pixels, np.ndarray)
    np.testing.assert_array_equal(mixed.train.images, expected)
    np.testing.assert_array_equal(mixed.train.pixels.read(np.array([50, 3, 12])), expected[[50, 3, 12]])
    assert fingerprint(mixed) == fingerprint(mixed) != fingerprint(whole)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_archive_is_refused(compressed: bool, tmp_path: Path) -> None:
    source = write(tmp_path, compressed=compressed)
    path = Path(source.removeprefix("npz:"))
    whole = path.read_bytes()
    path.write_bytes(whole[:900] + bytes([whole[900] ^ 255]) + whole[901:])
    for _ in range(2):
        with pytest.raises(TaskDataError, match="is not a NumPy file that can be read"):
            load_task(source, EXPRESSIONS)


def test_the_fingerprint_of_unchanged_files_is_known_without_reading_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path)
    splits = resolve_splits(load_raw(source), EXPRESSIONS)
    spec = describe(TaskName("large"), source, splits, load_task(source, splits))

    def refuse(*_: object) -> None:
        raise AssertionError("The images were read.")

    with monkeypatch.context() as closed:
        closed.setattr(MappedImages, "read", refuse)
        assert len(reload(spec).train) == 32
    write(tmp_path, seed=1)
    with pytest.raises(TaskDataError, match=r"'large' has changed"):
        reload(spec)
    write(tmp_path)
    assert len(reload(spec).train) == 32


def test_a_known_fingerprint_is_of_these_rows_and_labels_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load_task(write(tmp_path), EXPRESSIONS)
    assert isinstance(task.train.pixels, MappedImages)
    other_rows = Split(images=task.train.pixels[::-1], labels=task.train.labels)
    other_labels = Split(images=task.train.pixels, labels=task.train.labels[::-1])
    variants = [
        task,
        TaskData(train=other_rows, val=task.val, test=task.test, class_names=task.class_names),
        TaskData(train=other_labels, val=task.val, test=task.test, class_names=task.class_names),
    ]
    prints = [fingerprint(variant) for variant in variants]
    assert len(set(prints)) == 3
    monkeypatch.setattr(load, "digest_of_bytes", lambda _: "worked out again")
    assert [fingerprint(variant) for variant in variants] == prints


def on_disk(data: TaskData, folder: Path) -> TaskData:
    """The same task with its images in files."""

    def mapped(name: str, split: Split) -> Split:
        path = folder / f"{name}.bin"
        path.write_bytes(split.images.tobytes())
        return Split(images=map_file(path, 0, split.images.shape, None), labels=split.labels)

    return TaskData(
        train=mapped("train", data.train),
        val=mapped("val", data.val),
        test=mapped("test", data.test),
        class_names=data.class_names,
    )


@pytest.mark.parametrize("engine", ["fast", "plain"])
@pytest.mark.parametrize("hparams", [{}, {"data.flip": True, "data.area_min": 0.5}])
def test_streaming_gives_bit_for_bit_the_training_of_resident_images(
    engine: str, hparams: dict[str, object], store: Store, root: Model, tmp_path: Path, threads: None
) -> None:
    data = on_disk(make_data(), tmp_path)
    job = make_job(root, config=replace(CONFIG, engine=engine), hparams={**HPARAMS, **hparams})
    results = []
    for bound in (1 << 30, 0):
        trainer = Trainer(store, lambda _: data, CPU, data_bytes=bound)
        result = trainer.train(job)
        assert isinstance(result, TrainResult), result
        results.append(result)
    assert results[0] == results[1]


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each reading took."""
    counts: list[int] = []
    read = MappedImages.read

    def count(self: MappedImages, where: slice | NDArray[np.intp]) -> NDArray[np.uint8]:
        images = read(self, where)
        counts.append(len(images))
        return images

    monkeypatch.setattr(MappedImages, "read", count)
    return counts


def sparse(path: Path, num: int, height: int) -> MappedImages:
    """A file of zeros that takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(num * height * height)
    return map_file(path, 0, (num, height, height), None)


def test_of_a_data_set_larger_than_memory_only_what_is_used_is_read(
    store: Store, root: Model, tmp_path: Path, rows_read: list[int], threads: None
) -> None:
    num = 100_000
    images = sparse(tmp_path / "huge.bin", num, 320)
    labels = (np.arange(num) % 3).astype(np.int64)
    huge = Split(images=images, labels=labels)
    rest = Split(images=images[:1000], labels=labels[:1000])
    data = TaskData(train=huge, val=rest, test=rest, class_names=("a", "b", "c"))
    assert images.nbytes > 10**10
    config = TrainConfig(cycles=2, batch_size=8, samples_cap=64, val_cap=16, threads=1, engine="plain")
    result = Trainer(store, lambda _: data, CPU, data_bytes=1 << 20).train(make_job(root, config=config))
    assert isinstance(result, TrainResult), result
    used = result.samples + result.val_samples * config.cycles
    assert used == 2 * 64 + 2 * 16
    assert sum(rows_read) == used
    assert max(rows_read) <= 16


def test_batches_are_read_ahead_by_one_thread_and_never_far(rows_read: list[int], tmp_path: Path) -> None:
    numbers = np.arange(256, dtype=np.uint8).reshape(-1, 1, 1, 1)
    images = StreamedImages(MappedImages.of(Part(array=numbers, stamp=None)), CPU)
    batches = list(torch.split(torch.randperm(256, generator=torch.Generator().manual_seed(0)), 16))
    before = threading.active_count()
    with images.reading_ahead(batches):
        assert threading.active_count() == before + 1
        for number, index in enumerate(batches):
            assert images[index].flatten().tolist() == index.tolist()
            assert sum(rows_read) <= 16 * (number + 1 + BATCHES_AHEAD)
    assert threading.active_count() == before
    assert images[slice(3, 5)].flatten().tolist() == [3, 4]


def test_batches_that_were_not_announced_are_right_and_leave_nothing_behind(tmp_path: Path) -> None:
    numbers = np.arange(64, dtype=np.uint8).reshape(-1, 1, 1, 1)
    images = StreamedImages(MappedImages.of(Part(array=numbers, stamp=None)), CPU)
    announced = list(torch.split(torch.arange(64), 8))
    with images.reading_ahead(announced):
        for index in torch.split(torch.arange(64).flip(0), 4):
            assert images[index].flatten().tolist() == index.tolist()
        assert images[announced[-1]].flatten().tolist() == announced[-1].tolist()


def test_the_smallest_splits_are_resident_and_what_is_in_memory_is_never_streamed_to_a_cpu(
    tmp_path: Path,
) -> None:
    data = make_data()
    room = data.val.images.nbytes * 2
    placed = place(on_disk(data, tmp_path), CPU, room)
    assert {name for name, (images, _) in placed.items() if isinstance(images, StreamedImages)} == {"train"}
    assert placed_bytes(placed) == room
    at_hand = place(data, CPU, 0)
    assert all(isinstance(images, torch.Tensor) for images, _ in at_hand.values())


def test_a_streamed_split_is_evaluated_like_a_resident_one(store: Store, root: Model, tmp_path: Path) -> None:
    network = load_model(root, lambda blob: unpack(store.get_blob(blob)), device=CPU)
    data = make_data(num=1500)
    splits = [place(on_disk(data, tmp_path), CPU, bound)["train"] for bound in (1 << 30, 0)]
    correct = [num_correct(network, *split, HPARAMS, torch.float32) for split in splits]
    assert isinstance(splits[1][0], StreamedImages)
    assert correct[0] == correct[1] != 0
