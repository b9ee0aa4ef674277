"""Data sets of TensorFlow Datasets, read from files that it wrote itself, of both kinds."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from taskgrove.domain.errors import MissingExtraError, TaskDataError, UnknownNameError
from taskgrove.tasks.load import load_task
from taskgrove.tasks.sources.tfds import examples
from taskgrove.tasks.sources.tfds.source import TfdsSource
from tests.unit.tfds_sets import SHADES, SIZES, encoded, pixels, write, write_shades

SHIPPED = Path(__file__).parents[1] / "data" / "tfds"
"""Written by TensorFlow Datasets with TensorFlow; see tests/unit/tfds_sets.py."""
IMAGE = tfds.features.Image(shape=(None, None, 3))
LABEL = tfds.features.ClassLabel(names=SHADES)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the kind array_record."""
    folder = tmp_path_factory.mktemp("written")
    for channels in (1, 3):
        write_shades(folder, channels, num_shards=2)
    return folder


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The folder of a data set of the kind tfrecord, to be damaged."""
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    return tmp_path / "shades" / "rgb" / "1.0.0"


def plain(folder: Path, rows: list[dict[str, Any]], **features: Any) -> Path:
    """A data set `plain` of one split."""
    return write(folder, "plain", {"image": IMAGE, "label": LABEL} | features, {"train": rows})


def row(number: int = 0, **values: Any) -> dict[str, Any]:
    return {"image": encoded(pixels(number, 3)), "label": SHADES[number % 2]} | values


@pytest.mark.parametrize(("config", "channels"), [("grey", 1), ("rgb", 3)])
@pytest.mark.parametrize("kind", ["tfrecord", "array_record"])
def test_images_labels_columns_and_names_are_those_that_were_written(
    kind: str, config: str, channels: int, written: Path
) -> None:
    home = SHIPPED if kind == "tfrecord" else written
    assert len(list((home / "shades" / config / "1.0.0").glob(f"*train.{kind}-*-of-00002"))) == 2
    raw = TfdsSource().load(f"shades/{config}?dir={home}")
    assert raw.class_names == SHADES
    assert {name: len(split) for name, split in raw.splits.items()} == SIZES
    first = 0
    for split in raw.splits.values():
        numbers = split.columns["number"]
        assert sorted(numbers.tolist()) == list(range(first, first + len(split)))
        expected = np.stack([pixels(number, channels) for number in numbers.tolist()])
        np.testing.assert_array_equal(split.images, expected)
        np.testing.assert_array_equal(split.labels, numbers % 2)
        first += len(split)
    assert "tensorflow" not in sys.modules


def test_the_newest_version_the_default_config_and_the_folder_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9.0.0", "10.0.0"):
        write_shades(tmp_path, 1, version=version)
    options = f"?dir={tmp_path}&image=auto&label=auto&size=auto"
    assert TfdsSource().normalise("shades") == f"shades/grey:10.0.0{options}"
    assert TfdsSource().normalise("shades:9.0.0") == f"shades/grey:9.0.0{options}"
    assert TfdsSource().normalise("shades/grey:8.0.0") == f"shades/grey:8.0.0{options}"
    shutil.copytree(SHIPPED / "shades" / "rgb", tmp_path / "shades" / "rgb")
    assert TfdsSource().normalise("shades") == f"shades/grey:10.0.0{options}"
    shutil.rmtree(tmp_path / "shades" / ".config")
    with pytest.raises(UnknownNameError, match="Known: shades/grey, shades/rgb"):
        TfdsSource().load("shades")
    monkeypatch.delenv("TFDS_DATA_DIR")
    usual = Path("~/tensorflow_datasets").expanduser()
    assert TfdsSource().normalise("mnist:3.0.1") == f"mnist:3.0.1?dir={usual}&image=auto&label=auto&size=auto"


def test_columns_can_be_cut_by() -> None:
    splits = {"train": "train[number=0..5]", "val": "train[number=6..11]", "test": "test"}
    task = load_task(f"tfds:shades/rgb?dir={SHIPPED}", splits)
    assert sorted(task.train.columns["number"].tolist()) == list(range(6))
    assert (len(task.train), len(task.val), len(task.test)) == (6, 6, 6)


def test_a_second_load_reads_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: Path) -> None:
    monkeypatch.setenv("TASKGROVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("taskgrove.tasks.stamps.SETTLED_S", 0.0)
    first = TfdsSource().load("shades/rgb")
    monkeypatch.setattr(examples, "read_records", None)
    second = TfdsSource().load("shades/rgb")
    for name, split in first.splits.items():
        np.testing.assert_array_equal(split.images, second.splits[name].images)
        np.testing.assert_array_equal(split.labels, second.splits[name].labels)
        np.testing.assert_array_equal(split.columns["number"], second.splits[name].columns["number"])
    with pytest.raises(TypeError, match="not callable"):
        TfdsSource().load("shades/rgb?label=number")
    with pytest.raises(TypeError, match="not callable"):
        TfdsSource().load("shades/rgb?size=8")


def test_images_of_many_sizes_are_resized_and_grey_ones_stay_grey(tmp_path: Path) -> None:
    sizes = [(9, 7), (70, 50), (30, 200)]
    images = [np.full((*size, 1), 40, np.uint8) for size in sizes]
    rows = [row() | {"image": encoded(image, "JPEG")} for image in images]
    plain(tmp_path, rows)
    for size, shape in (("auto", (64, 64)), ("16", (16, 16)), ("24x10", (24, 10))):
        assert TfdsSource().load(f"plain?size={size}").splits["train"].images.shape == (3, *shape, 1)
    for size in ("0", "huge", "8x", "8x8x8", "1025"):
        with pytest.raises(TaskDataError, match=f"size must be auto, a side .* got '{size}'"):
            TfdsSource().normalise(f"plain?size={size}")


def test_a_label_may_be_any_whole_number(tmp_path: Path) -> None:
    plain(tmp_path, [row(i, shelf=3 - i) for i in range(4)], shelf=np.int32)
    raw = TfdsSource().load("plain?label=shelf")
    assert raw.class_names == ("0", "1", "2", "3")
    split = raw.splits["train"]
    assert sorted(split.labels.tolist()) == [0, 1, 2, 3]
    np.testing.assert_array_equal(split.columns["shelf"], split.labels)
    np.testing.assert_array_equal(split.columns["label"], (3 - split.labels) % 2)


def test_the_image_and_the_label_are_chosen_where_they_are_not_clear(tmp_path: Path) -> None:
    features = {"left": IMAGE, "right": IMAGE, "shape": LABEL, "shade": LABEL}
    rows = [
        {"left": encoded(pixels(0, 3)), "right": encoded(pixels(2, 3)), "shape": "light", "shade": "dark"}
    ]
    write(tmp_path, "pairs", features, {"train": rows})
    source = TfdsSource()
    with pytest.raises(TaskDataError, match=r"several .* the image: left, right\. Choose one with image="):
        source.load("pairs?label=shape")
    with pytest.raises(TaskDataError, match=r"several .* the label: shade, shape\. Choose one with label="):
        source.load("pairs?image=left")
    split = source.load("pairs?image=right&label=shape").splits["train"]
    np.testing.assert_array_equal(split.images[0], pixels(2, 3))
    assert split.labels.tolist() == [1]
    with pytest.raises(UnknownNameError, match=r"no label feature .* named 'shap'\. Did you mean 'shape'"):
        source.load("pairs?image=right&label=shap")


def test_a_label_is_computed_from_the_objects_of_an_example(tmp_path: Path) -> None:
    objects = tfds.features.Sequence(
        {
            "size": tfds.features.ClassLabel(names=["small", "large"]),
            "shape": tfds.features.ClassLabel(names=["cube", "sphere", "cylinder"]),
            "pixel_coords": tfds.features.Tensor(shape=(3,), dtype=np.float32),
        }
    )

    def scene(shapes: list[int], depths: list[float]) -> dict[str, Any]:
        coords = np.array([[50, 60, depth] for depth in depths], np.float32).reshape(-1, 3)
        kinds = np.array(shapes)
        return {
            "image": encoded(pixels(len(shapes), 3)),
            "objects": {"size": 0 * kinds, "shape": kinds, "pixel_coords": coords},
        }

    train = [scene([2, 2, 0, 1], [9.2, 8.6, 11, 12]), scene([0, 1, 0, 2, 0, 1], [12, 13, 10.5, 20, 30, 11])]
    splits = {"train": train, "test": [scene([], [])]}
    write(tmp_path, "clevr", {"image": IMAGE, "objects": objects}, splits)

    def labels(function: str) -> set[tuple[int, int]]:
        raw = TfdsSource().load(f"clevr?label={function}")
        assert list(raw.splits) == ["train"]
        split = raw.splits["train"]
        scenes = [{12: 4, 18: 6}[int(image[0, 0, 0])] for image in split.images]
        return set(zip(scenes, split.labels.tolist(), strict=True))

    assert labels("clevr_count_all") == {(4, 1), (6, 3)}
    assert labels("clevr_count_cylinders") == {(4, 2), (6, 1)}
    assert labels("clevr_closest_object_distance") == {(4, 2), (6, 5)}
    with pytest.raises(TaskDataError, match="no feature that could be the label"):
        TfdsSource().load("clevr")
    known = "clevr_closest_object_distance, clevr_count_all, clevr_count_cylinders"
    with pytest.raises(UnknownNameError, match=f"Known: {known}"):
        TfdsSource().load("clevr?label=kitti_count_vehicles")


def test_splits_whose_labels_are_secret_are_left_out(tmp_path: Path) -> None:
    rows = {"train": [row(grade=1), row(1, grade=0)], "test": [row(grade=-1)]}
    write(tmp_path, "graded", {"image": IMAGE, "label": LABEL, "grade": np.int64}, rows)
    assert list(TfdsSource().load("graded").splits) == ["train", "test"]
    assert list(TfdsSource().load("graded?label=grade").splits) == ["train"]
    write(tmp_path, "secret", {"image": IMAGE, "label": np.int64}, {"test": [row() | {"label": -1}]})
    with pytest.raises(TaskDataError, match=r"no split with labels; its splits are \['test'\]"):
        TfdsSource().load("secret")


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def cut_in_head(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\x01\x02\x03")


def flip_data(path: Path) -> None:
    data = bytearray(path.read_bytes())
    second = 16 + int.from_bytes(data[:8], "little")
    data[second + 50] ^= 1
    path.write_bytes(data)


def flip_length(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)


def drop_record(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[16 + int.from_bytes(data[:8], "little") :])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_off, "damaged at record 5 .the file ends in the middle"),
        (cut_in_head, "damaged at record 6 .the file ends in the middle"),
        (flip_data, "damaged at record 1 .its checksum is wrong"),
        (flip_length, "damaged at record 0 .the checksum of its length is wrong"),
        (drop_record, "holds 5 records, though dataset_info.json lists 6"),
        (Path.unlink, "is missing, though dataset_info.json beside it lists 2 files"),
    ],
)
def test_the_damaged_file_and_record_are_named(
    damage: Callable[[Path], None], message: str, copied: Path
) -> None:
    shard = copied / "shades-train.tfrecord-00001-of-00002"
    damage(shard)
    with pytest.raises(TaskDataError, match=f"{shard} (is )?{message}"):
        TfdsSource().load("shades/rgb")


@pytest.mark.parametrize("damage", ["cut off", "flipped", "emptied"])
def test_damage_of_files_of_the_other_kind_is_named_too(damage: str, tmp_path: Path) -> None:
    folder = write_shades(tmp_path, 1)
    shard = next(folder.glob("*train*"))
    data = bytearray(shard.read_bytes())
    if damage == "flipped":
        data[400] ^= 1
    length = {"cut off": -1, "flipped": len(data), "emptied": 0}[damage]
    shard.write_bytes(data[:length])
    at = 1 if damage == "flipped" else 0
    with pytest.raises(TaskDataError, match=f"{shard} is damaged at record {at}"):
        TfdsSource().load("shades/grey")


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_a_damaged_or_missing_description_is_named(name: str, copied: Path) -> None:
    whole = (copied / name).read_text()
    for text in ("{", "[]", '{"fileFormat": 7}', whole[:200], whole.replace("{", "[", 1)):
        (copied / name).write_text(text)
        with pytest.raises(TaskDataError, match=f"{copied} "):
            TfdsSource().load("shades/rgb")
    (copied / name).unlink()
    with pytest.raises(TaskDataError, match=f"has no {name}"):
        TfdsSource().load("shades/rgb")


def test_other_kinds_of_files_are_refused(copied: Path) -> None:
    info = copied / "dataset_info.json"
    info.write_text(info.read_text().replace('"tfrecord"', '"riegeli"'))
    with pytest.raises(TaskDataError, match="of the kind riegeli; only array_record and tfrecord"):
        TfdsSource().load("shades/rgb")


def test_what_is_not_prepared_is_explained_with_what_is(copied: Path, tmp_path: Path) -> None:
    source = TfdsSource()
    with pytest.raises(UnknownNameError, match=r"mean 'shades/rgb'.*\(.*\): tfds build shade/rgb --data_dir"):
        source.load("shade/rgb")
    with pytest.raises(
        UnknownNameError, match=r"version of shades/rgb in .* named '2\.0\.0'.* Known: 1\.0\.0"
    ):
        source.load("shades/rgb:2.0.0")
    with pytest.raises(
        TaskDataError, match=f"no folder {tmp_path}/none.* Set TFDS_DATA_DIR .* tfds build mnist"
    ):
        source.load(f"mnist?dir={tmp_path}/none")
    for nonsense in ("", "/", "a/b/c", "../x", "mnist:new", "mnist:"):
        with pytest.raises(TaskDataError, match="names no data set; write tfds:<name>"):
            source.normalise(nonsense)
    assert source.missing("shades/rgb") == ""
    assert source.missing("shades/rgb:2.0.0") == str(copied.parent / "2.0.0")
    assert source.missing("mnist") == str(tmp_path / "mnist")


@pytest.mark.parametrize("package", ["tensorflow_datasets", "google_crc32c"])
def test_without_a_package_the_extra_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = importlib.import_module

    def missing(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=rf"needs {package},.* pip install 'taskgrove\[tfds\]'"):
        TfdsSource().load(f"shades/rgb?dir={SHIPPED}&size=7")
