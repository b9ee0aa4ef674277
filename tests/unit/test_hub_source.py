"""Hugging Face data sets, written by their own library: saved folders, parquet, images, the cache."""

from __future__ import annotations

import builtins
import shutil
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import numpy as np
import pyarrow.parquet
import pytest

from taskgrove.domain.errors import MissingExtraError, TaskDataError, UnknownNameError
from taskgrove.tasks import decoding
from taskgrove.tasks.load import load_task
from taskgrove.tasks.sources.hub.source import HubSource
from tests.unit.tfds_sets import SHADES, encoded, pixels

SIZES = {"train": 12, "test": 6}
FEATURES = {
    "image": datasets.Image(),
    "label": datasets.ClassLabel(names=list(SHADES)),
    "number": datasets.Value("int32"),
    "shade": datasets.Value("string"),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")


def rows(first: int, number: int, channels: int = 3) -> dict[str, list[Any]]:
    numbers = range(first, first + number)
    return {
        "image": [{"bytes": encoded(pixels(i, channels)).read(), "path": None} for i in numbers],
        "label": [i % 2 for i in numbers],
        "number": list(numbers),
        "shade": [SHADES[i % 2] for i in numbers],
    }


def small(channels: int = 3, **more: tuple[Any, list[Any]]) -> Any:
    """A data set of two splits; `more` features with their kind and values, for the first 12 and last 6."""
    features = datasets.Features(FEATURES | {name: kind for name, (kind, _) in more.items()})
    splits: dict[str, Any] = {}
    first = 0
    for name, number in SIZES.items():
        added = {each: values[first : first + number] for each, (_, values) in more.items()}
        splits[name] = datasets.Dataset.from_dict(rows(first, number, channels) | added, features=features)
        first += number
    return datasets.DatasetDict(splits)


def save(folder: Path, kind: str, data: Any) -> Path:
    if kind == "arrow":
        data.save_to_disk(str(folder))
        return folder
    for name, split in data.items():
        (folder / "data").mkdir(parents=True, exist_ok=True)
        split.to_parquet(str(folder / "data" / f"{name}-00000-of-00001.parquet"))
    return folder


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_images_labels_columns_and_names_are_those_that_were_written(
    kind: str, channels: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = save(tmp_path / "set", kind, small(channels))
    capfd.readouterr()
    raw = HubSource().load(str(folder))
    assert capfd.readouterr() == ("", "")
    assert raw.class_names == SHADES
    assert {name: len(split) for name, split in raw.splits.items()} == SIZES
    first = 0
    for split in raw.splits.values():
        numbers = np.arange(first, first + len(split))
        np.testing.assert_array_equal(split.columns["number"], numbers)
        np.testing.assert_array_equal(split.labels, numbers % 2)
        np.testing.assert_array_equal(split.images, np.stack([pixels(i, channels) for i in numbers.tolist()]))
        first += len(split)


def test_one_split_is_all_and_columns_can_be_cut_by(tmp_path: Path) -> None:
    small()["train"].save_to_disk(str(tmp_path / "set"))
    splits = {"train": "all[number=0..3]", "val": "all[number=4..7]", "test": "all[number=8..11]"}
    task = load_task(f"hub:{tmp_path}/set", splits)
    assert task.val.columns["number"].tolist() == [4, 5, 6, 7]


def test_rows_that_were_chosen_or_shuffled_are_read_in_their_order(tmp_path: Path) -> None:
    small()["train"].select([7, 2, 5]).save_to_disk(str(tmp_path / "set"))
    split = HubSource().load(str(tmp_path / "set")).splits["all"]
    assert split.columns["number"].tolist() == [7, 2, 5]
    np.testing.assert_array_equal(split.images, np.stack([pixels(i, 3) for i in (7, 2, 5)]))


def test_configs_of_the_readme_are_chosen_by_name(tmp_path: Path) -> None:
    for name, channels in (("grey", 1), ("rgb", 3)):
        save(tmp_path / name, "parquet", small(channels))
    (tmp_path / "README.md").write_text(
        "---\nconfigs:\n"
        "- config_name: grey\n  data_files:\n  - split: train\n    path: grey/data/train-*\n"
        "- config_name: rgb\n  data_files:\n  - split: train\n    path: rgb/data/train-*\n---\n"
    )
    assert HubSource().load(f"{tmp_path}?config=grey").splits["train"].images.shape == (12, 5, 6, 1)
    assert HubSource().load(f"{tmp_path}?config=rgb").splits["train"].images.shape == (12, 5, 6, 3)
    with pytest.raises(TaskDataError, match=r"available configs: \['grey', 'rgb'\]"):
        HubSource().load(str(tmp_path))
    saved = save(tmp_path / "saved", "arrow", small())
    with pytest.raises(TaskDataError, match="knows no configs; drop config=grey"):
        HubSource().load(f"{saved}?config=grey")


def test_a_folder_of_images_is_read_in_the_layout_of_the_hub(tmp_path: Path) -> None:
    for number in range(4):
        path = tmp_path / "train" / SHADES[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(pixels(number, 3)).read())
    raw = HubSource().load(str(tmp_path))
    assert raw.class_names == SHADES
    np.testing.assert_array_equal(raw.splits["train"].images[1], pixels(2, 3))
    assert raw.splits["train"].labels.tolist() == [0, 0, 1, 1]


def test_a_second_load_decodes_nothing_until_the_data_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKGROVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("taskgrove.tasks.stamps.SETTLED_S", 0.0)
    folder = save(tmp_path / "set", "parquet", small())
    first = HubSource().load(str(folder)).splits["train"].images
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "decode", None)
        np.testing.assert_array_equal(HubSource().load(str(folder)).splits["train"].images, first)
    save(folder, "parquet", small(1))
    assert HubSource().load(str(folder)).splits["train"].images.shape == (12, 5, 6, 1)


def test_the_image_and_the_label_are_chosen_where_they_are_not_clear(tmp_path: Path) -> None:
    size = datasets.ClassLabel(names=["small", "large"])
    data = small(size=(size, [1] * 18)).rename_column("label", "brightness")
    folder = save(tmp_path / "set", "arrow", data)
    with pytest.raises(
        TaskDataError, match=r"several .* the label: brightness, size, number, shade\. Choose"
    ):
        HubSource().load(str(folder))
    with pytest.raises(UnknownNameError, match=r"no label feature .* Did you mean 'brightness'"):
        HubSource().load(f"{folder}?label=brightnes")
    with pytest.raises(UnknownNameError, match=r"no image feature .* Known: image"):
        HubSource().load(f"{folder}?label=size&image=number")
    assert HubSource().load(f"{folder}?label=size").class_names == ("small", "large")
    by_text = HubSource().load(f"{folder}?label=shade")
    assert by_text.class_names == SHADES
    assert by_text.splits["train"].labels.tolist() == [0, 1] * 6
    assert HubSource().load(f"{folder}?label=number").splits["test"].labels.tolist() == list(range(12, 18))
    data = data.remove_columns("image")
    with pytest.raises(TaskDataError, match="no feature that could be the image"):
        HubSource().load(str(save(tmp_path / "blind", "arrow", data)))


def test_splits_whose_labels_are_secret_are_left_out(tmp_path: Path) -> None:
    grades = [*[0, 1] * 6, *[-1] * 6]
    known = [*["b", "a"] * 6, *[None] * 6]
    whole, text = datasets.Value("int64"), datasets.Value("string")
    folder = save(tmp_path / "set", "arrow", small(grade=(whole, grades), known=(text, known)))
    assert list(HubSource().load(f"{folder}?label=grade").splits) == ["train"]
    by_text = HubSource().load(f"{folder}?label=known")
    assert (list(by_text.splits), by_text.class_names) == (["train"], ("a", "b"))


def test_parquet_files_of_other_programs_need_no_description(tmp_path: Path) -> None:
    data = small()["train"].with_format("arrow")[:].replace_schema_metadata(None)
    (tmp_path / "data").mkdir()
    pyarrow.parquet.write_table(data, tmp_path / "data" / "train.parquet")
    raw = HubSource().load(f"{tmp_path}?label=label")
    assert raw.class_names == ("0", "1")
    np.testing.assert_array_equal(raw.splits["train"].images[3], pixels(3, 3))


def test_damage_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = save(tmp_path / "set", "parquet", small())
    file = folder / "data" / "train-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:700])
    with pytest.raises(TaskDataError, match=f"{folder} cannot be read as a Hugging Face data set"):
        HubSource().load(str(folder))
    saved = save(tmp_path / "saved", "arrow", small())
    arrow = next((saved / "train").glob("*.arrow"))
    arrow.write_bytes(arrow.read_bytes()[:700])
    capfd.readouterr()
    with pytest.raises(TaskDataError, match=f"{saved} cannot be read as a Hugging Face data set"):
        HubSource().load(str(saved))
    assert capfd.readouterr() == ("", "")
    bad = [{"bytes": b"no image", "path": None}, *rows(1, 17)["image"]]
    data = small(photo=(datasets.Image(), bad))
    with pytest.raises(TaskDataError, match=r"image 0 of train of .*bad is not an image that can be read"):
        HubSource().load(f"{save(tmp_path / 'bad', 'arrow', data)}?image=photo")
    bad[0] = None
    data = small(photo=(datasets.Image(), bad))
    with pytest.raises(TaskDataError, match=r"image 0 of train of .*none is empty"):
        HubSource().load(f"{save(tmp_path / 'none', 'arrow', data)}?image=photo")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with HF_HUB_OFFLINE=1, which the libraries read when they are imported."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("offline")
def test_a_repository_is_read_from_the_librarys_cache(tmp_path: Path) -> None:
    folder = save(tmp_path / "pets", "parquet", small())
    datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "made"))
    shutil.move(tmp_path / "made" / "pets", tmp_path / "hf" / "owner___pets")
    raw = HubSource().load("owner/pets")
    np.testing.assert_array_equal(raw.splits["test"].images[0], pixels(12, 3))
    assert HubSource().missing("owner/pets") == ""


@pytest.mark.usefixtures("offline")
def test_a_repository_that_cannot_be_reached_is_explained(tmp_path: Path) -> None:
    with pytest.raises(TaskDataError, match=r"owner/pets cannot be had .* offline, only .* write its path"):
        HubSource().load("owner/pets")


def test_arguments_are_recorded_in_full_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = HubSource()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "pets").mkdir(parents=True)
    rest = "config=auto&image=auto&label=auto"
    assert source.normalise("data/pets") == f"{tmp_path}/data/pets?{rest}&size=auto"
    assert source.normalise("data/dogs?size=9") == f"data/dogs?{rest}&revision=main&size=9"
    assert source.missing("data/pets") == ""
    assert source.missing("./none") == f"{tmp_path}/none"
    with pytest.raises(TaskDataError, match="neither a folder nor a repository"):
        source.normalise("pets")
    with pytest.raises(UnknownNameError, match="no option named 'revision'"):
        source.normalise("data/pets?revision=main")
    with pytest.raises(TaskDataError, match="there is no such folder"):
        source.load("./none")
    with pytest.raises(TaskDataError, match="got 'huge'"):
        source.normalise("data/pets?size=huge")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    original = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "datasets":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'taskgrove\[hub\]'"):
        HubSource().load(str(tmp_path))
