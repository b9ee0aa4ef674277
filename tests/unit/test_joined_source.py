"""Several sources as one: their splits side by side, their classes matched, nothing read that need not be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.domain.ids import TaskName
from taskgrove.tasks.load import describe, load_raw, load_task, normalise_source, reload
from taskgrove.tasks.mapped import MappedImages
from taskgrove.tasks.roles import cut_task
from taskgrove.tasks.sources import SOURCES

CLASSES = ("ant", "bee", "cat")


def write(
    path: Path,
    classes: Sequence[str] | None = CLASSES,
    *,
    split: str = "train",
    labels: Sequence[int] = (0, 1, 2) * 4,
    shape: tuple[int, ...] = (6, 4, 3),
    seed: int = 0,
) -> str:
    """A source with one split of random images."""
    images = np.random.RandomState(seed).randint(0, 256, (len(labels), *shape)).astype(np.uint8)
    named = {} if classes is None else {"class_names": np.array(classes)}
    np.savez(path, **{f"x_{split}": images, f"y_{split}": np.array(labels)}, **named)  # type: ignore[arg-type]
    return f"npz:{path}"


def join(first: str, second: str) -> str:
    return f"joined:{first};v1={second}"


def test_the_splits_of_the_first_keep_their_names_and_others_get_a_prefix(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.npz"), write(tmp_path / "b.npz", split="test", seed=1)
    raw = load_raw(join(one, two))
    assert set(raw.splits) == {"train", "v1.test"}
    np.testing.assert_array_equal(raw.splits["v1.test"].images, load_raw(two).splits["test"].images)
    splits = {"train": "train[stratified :80%]", "val": "v1.test", "test": "train[stratified 80%:]"}
    assert len(cut_task(raw, splits).val) == 12


def test_more_than_two_sources_are_joined(tmp_path: Path) -> None:
    sources = [write(tmp_path / f"{name}.npz", seed=i) for i, name in enumerate("abc")]
    raw = load_raw(f"joined:{sources[0]};b={sources[1]};c={sources[2]}")
    assert set(raw.splits) == {"train", "b.train", "c.train"}
    rows = np.concatenate([split.columns["row"] for split in raw.splits.values()])
    assert len(np.unique(rows)) == 36


def test_classes_are_matched_by_name_whatever_their_order(tmp_path: Path) -> None:
    one = write(tmp_path / "a.npz")
    two = write(tmp_path / "b.npz", ("cat", "ant", "bee"), labels=(0, 1, 2))
    raw = load_raw(join(one, two))
    assert raw.class_names == CLASSES
    assert raw.splits["v1.train"].labels.tolist() == [2, 0, 1]


@pytest.mark.parametrize(("first", "second"), [(CLASSES, None), (None, CLASSES), (None, None)])
def test_classes_are_matched_by_number_where_one_source_has_no_names(
    first: Sequence[str] | None, second: Sequence[str] | None, tmp_path: Path
) -> None:
    one, two = write(tmp_path / "a.npz", first), write(tmp_path / "b.npz", second, labels=(2, 0, 2))
    raw = load_raw(join(one, two))
    assert raw.class_names == (CLASSES if first or second else ("0", "1", "2"))
    assert raw.splits["v1.train"].labels.tolist() == [2, 0, 2]


def test_a_source_without_names_may_lack_the_last_classes(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.npz"), write(tmp_path / "b.npz", None, labels=(1, 0))
    assert load_raw(join(one, two)).class_names == CLASSES


@pytest.mark.parametrize(
    ("second", "labels", "tells"),
    [(("ant", "bee", "dog"), (0, 1, 2), "cat, dog is in one only"), (None, (0, 3), "3")],
)
def test_other_classes_are_refused(
    second: Sequence[str] | None, labels: Sequence[int], tells: str, tmp_path: Path
) -> None:
    one, two = write(tmp_path / "a.npz"), write(tmp_path / "b.npz", second, labels=labels)
    with pytest.raises(TaskDataError, match="must have the same classes") as error:
        load_raw(join(one, two))
    assert tells in str(error.value)


@pytest.mark.parametrize("shape", [(6, 5, 3), (6, 4, 1)])
def test_other_image_shapes_are_refused_with_what_to_do(shape: tuple[int, ...], tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.npz"), write(tmp_path / "b.npz", shape=shape)
    with pytest.raises(TaskDataError, match=r"one image shape, got .*\?size=64"):
        load_raw(join(one, two))


def test_images_in_files_stay_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskgrove.tasks.stamps.SETTLED_S", 0.0)
    monkeypatch.setattr("taskgrove.tasks.mapped.MAPPED_FROM_BYTES", 1)
    raw = load_raw(join(write(tmp_path / "a.npz"), write(tmp_path / "b.npz", seed=1)))
    assert all(isinstance(split.pixels, MappedImages) for split in raw.splits.values())


def test_sources_of_different_kinds_are_joined(tmp_path: Path) -> None:
    for name in CLASSES:
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (4, 6), "red").save(tmp_path / "photos" / name / "0.png")
    raw = load_raw(join(write(tmp_path / "a.npz"), f"folder:{tmp_path}/photos"))
    assert raw.splits["v1.all"].labels.tolist() == [0, 1, 2]


def test_a_split_that_is_cut_twice_is_noticed_but_not_the_same_row_of_two_sources(tmp_path: Path) -> None:
    source = join(write(tmp_path / "a.npz"), write(tmp_path / "b.npz", split="test", seed=1))
    load_task(source, {"train": "train", "val": "v1.test[:50%]", "test": "v1.test[50%:]"})
    with pytest.raises(TaskDataError, match="share 6 images"):
        load_task(source, {"train": "train", "val": "v1.test[:50%]", "test": "v1.test"})


def test_a_task_is_found_again_by_its_specification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.npz")
    write(tmp_path / "b.npz", split="test", seed=1)
    monkeypatch.chdir(tmp_path)
    splits = {"train": "train[3:]", "val": "train[:3]", "test": "v1.test"}
    data = load_task("joined:npz:a.npz;v1=npz:b.npz", splits)
    spec = describe(TaskName("a"), "joined:npz:a.npz;v1=npz:b.npz", splits, data)
    assert spec.source == f"joined:npz:{tmp_path}/a.npz;v1=npz:{tmp_path}/b.npz"
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(reload(spec).test.images, data.test.images)


@pytest.mark.parametrize(
    ("argument", "tells"),
    [
        ("npz:a.npz", "at least two sources"),
        ("npz:a.npz;v1=b", "at least two sources"),
        ("npz:a.npz;npz:b.npz", "no prefix of letters and digits"),
        ("npz:a.npz;=npz:b.npz", "no prefix of letters and digits"),
        ("npz:a.npz;v.1=npz:b.npz", "no prefix of letters and digits"),
        ("npz:a.npz;v=npz:b.npz;v=npz:c.npz", "is given twice"),
        ("npz:a.npz;v=npz:./a.npz", "joined with itself"),
        (f"npz:a.npz;v=arrays:{'ab' * 32}", "given in Python"),
    ],
)
def test_what_joins_nothing_is_refused(argument: str, tells: str) -> None:
    with pytest.raises(TaskDataError, match=tells):
        normalise_source(f"joined:{argument}")


def test_a_folder_with_a_semicolon_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a;b").mkdir()
    monkeypatch.chdir(tmp_path / "a;b")
    with pytest.raises(TaskDataError, match="semicolon"):
        normalise_source("joined:npz:a.npz;v1=npz:b.npz")


def test_an_unknown_source_within_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"'npzz'.*Did you mean 'npz'"):
        normalise_source("joined:npz:a.npz;v1=npzz:b.npz")


def test_a_source_says_which_of_its_files_are_missing(tmp_path: Path) -> None:
    here, gone = write(tmp_path / "a.npz"), f"npz:{tmp_path}/gone.npz#greek"
    missing = str(tmp_path / "gone.npz")
    assert SOURCES["joined"].missing(f"{here};v1={gone}") == missing
    assert SOURCES["joined"].missing(f"{gone};v1=folder:{tmp_path}/b?size=9") == f"{missing}, {tmp_path}/b"
    assert SOURCES["permuted"].missing(f"{gone}:3") == SOURCES["split"].missing(f"{gone}:0/2") == missing
    assert SOURCES["folder"].missing(f"{tmp_path}?size=9") == SOURCES["glyphs"].missing("greek") == ""
