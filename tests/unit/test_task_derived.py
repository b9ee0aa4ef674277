"""Sources made of other sources: pixels in another order, and groups of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.domain.ids import TaskName
from taskgrove.tasks.base import Images
from taskgrove.tasks.load import describe, fingerprint, load_raw, load_task, normalise_source, reload
from taskgrove.tasks.mapped import MappedImages
from taskgrove.tasks.roles import resolve_splits

LABELS = np.tile(np.arange(5), 8)
CLASSES = ("ant", "bee", "cat", "dog", "eel")


def content(channels: int = 3) -> dict[str, NDArray[np.generic]]:
    """Two splits of random images of five classes; the second one lacks the last two classes."""
    rng = np.random.RandomState(0)
    images = rng.randint(0, 256, (40, 6, 4, channels)).astype(np.uint8)
    few = LABELS < 3
    return {
        "x_train": images,
        "y_train": LABELS,
        "x_test": images[few][::-1].copy(),
        "y_test": LABELS[few][::-1].copy(),
        "class_names": np.array(CLASSES),
    }


def write(folder: Path, channels: int = 3) -> str:
    """A source whose path holds colons."""
    path = folder / "a:b:c.npz"
    np.savez(path, **content(channels))  # type: ignore[arg-type]
    return f"npz:{path}"


def flat(images: Images) -> Images:
    return images.reshape(len(images), -1, images.shape[-1])


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """All arrays stay in their files, which are trusted however young they are."""
    monkeypatch.setattr("taskgrove.tasks.stamps.SETTLED_S", 0.0)
    monkeypatch.setattr("taskgrove.tasks.mapped.MAPPED_FROM_BYTES", 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_all_images_have_their_pixels_moved_in_the_same_way(tmp_path: Path, channels: int) -> None:
    source = write(tmp_path, channels)
    plain, moved = load_raw(source), load_raw(f"permuted:{source}:3")
    assert moved.class_names == CLASSES
    order = np.random.RandomState(3).permutation(24)
    for name, split in plain.splits.items():
        np.testing.assert_array_equal(flat(moved.splits[name].images), flat(split.images)[:, order])
        np.testing.assert_array_equal(moved.splits[name].labels, split.labels)
        assert moved.splits[name].columns.keys() == split.columns.keys()
    np.testing.assert_array_equal(plain.splits["train"].images, content(channels)["x_train"])


def test_permutations_are_the_same_for_ever() -> None:
    images = load_raw("permuted:glyphs:digits?per_class=4&size=8:1").splits["train"].images
    plain = load_raw("glyphs:digits?per_class=4&size=8").splits["train"].images
    frozen = [24, 39, 52, 27, 44, 2, 21, 62, 41, 50]
    np.testing.assert_array_equal(flat(images)[:, :10], flat(plain)[:, frozen])


def test_the_permutation_0_changes_nothing(tmp_path: Path) -> None:
    source = write(tmp_path)
    plain, same = load_task(source), load_task(f"permuted:{source}:0")
    assert fingerprint(plain) == fingerprint(same)
    assert fingerprint(plain) != fingerprint(load_task(f"permuted:{source}:1"))


def test_groups_share_the_classes_out_and_count_labels_from_0(tmp_path: Path) -> None:
    source = write(tmp_path)
    groups = [load_raw(f"split:{source}:{i}/2") for i in range(2)]
    assert [group.class_names for group in groups] == [CLASSES[:3], CLASSES[3:]]
    arrays = content()
    for group, labels in zip(groups, ([0, 1, 2], [3, 4]), strict=True):
        chosen = np.isin(LABELS, labels)
        np.testing.assert_array_equal(group.splits["train"].images, arrays["x_train"][chosen])
        np.testing.assert_array_equal(group.splits["train"].labels, LABELS[chosen] - labels[0])


def test_splits_without_an_image_of_the_group_are_left_out(tmp_path: Path) -> None:
    source = write(tmp_path)
    assert set(load_raw(f"split:{source}:0/2").splits) == {"all", "train", "test"}
    assert set(load_raw(f"split:{source}:1/2").splits) == {"all", "train"}
    only_few = tmp_path / "few.npz"
    arrays = content()
    np.savez(only_few, x_all=arrays["x_test"], y_all=arrays["y_test"], class_names=arrays["class_names"])
    with pytest.raises(TaskDataError, match="no image of group 1 of 2"):
        load_raw(f"split:npz:{only_few}:1/2")


@pytest.mark.parametrize(("num_classes", "groups"), [(100, 10), (10, 3), (7, 3), (4, 2), (3, 1)])
def test_every_class_is_in_one_group_of_about_the_same_size(
    tmp_path: Path, num_classes: int, groups: int
) -> None:
    labels = np.arange(num_classes)
    images = labels.astype(np.uint8)[:, None, None] * np.ones((2, 2), np.uint8)
    np.savez(tmp_path / "all.npz", x_all=images, y_all=labels)
    raws = [load_raw(f"split:npz:{tmp_path}/all.npz:{i}/{groups}") for i in range(groups)]
    assert [name for raw in raws for name in raw.class_names] == [str(i) for i in range(num_classes)]
    sizes = [len(raw.class_names) for raw in raws]
    assert max(sizes) - min(sizes) <= 1


def test_sources_nest_whatever_their_paths_hold(tmp_path: Path) -> None:
    source = write(tmp_path)
    nested = f"permuted:split:permuted:{source}:2:1/2:5"
    first, second = (np.random.RandomState(n).permutation(24) for n in (2, 5))
    wanted = flat(content()["x_train"][LABELS >= 3].astype(np.uint8))[:, first][:, second]
    np.testing.assert_array_equal(flat(load_raw(nested).splits["train"].images), wanted)
    assert normalise_source(nested) == nested


def test_inner_paths_and_options_are_spelled_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert normalise_source("permuted:npz:x.npz:007") == f"permuted:npz:{tmp_path}/x.npz:7"
    assert normalise_source("split:folder:pictures:00/2") == f"split:folder:{tmp_path}/pictures?size=auto:0/2"


@pytest.mark.usefixtures("mapped")
@pytest.mark.parametrize("derived", ["permuted:{}:4", "split:{}:0/2", "permuted:split:permuted:{}:1:0/2:2"])
def test_images_in_files_stay_there(tmp_path: Path, derived: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = derived.format(write(tmp_path))
    roles = {"train": "train[:10]+test[:5]", "val": "train[10:15]", "test": "test[stratified 50%:]"}
    lazy = load_task(source, roles, allow_overlap=True)
    monkeypatch.undo()
    eager = load_task(source, roles, allow_overlap=True)
    for one, other in ((lazy.train, eager.train), (lazy.val, eager.val), (lazy.test, eager.test)):
        assert isinstance(one.pixels, MappedImages)
        assert isinstance(other.pixels, np.ndarray)
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert fingerprint(lazy) == fingerprint(eager)


@pytest.mark.usefixtures("mapped")
def test_permutations_of_one_file_are_told_apart_without_reading_it(tmp_path: Path) -> None:
    source = write(tmp_path)
    pixels = [load_raw(f"permuted:{source}:{i}").splits["train"].pixels for i in (0, 1, 1, 2)]
    zero, one, again, two = (p.identity() for p in pixels if isinstance(p, MappedImages))
    assert one == again
    assert len({zero, one, two}) == 3


def test_a_task_is_described_and_comes_back(tmp_path: Path) -> None:
    source = f"split:permuted:{write(tmp_path)}:1:0/2"
    splits = resolve_splits(load_raw(source), {"test": "test[:50%]", "val": "test[50%:]", "train": "train"})
    spec = describe(TaskName("first"), source, splits, load_task(source, splits))
    assert (spec.source, spec.class_names, spec.image_shape) == (source, CLASSES[:3], (6, 4, 3))
    assert len(reload(spec).train) == 24


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("permuted:npz:mnist.npz", "write permuted:<source>:<number>, as in permuted:npz:mnist.npz:3"),
        ("permuted:glyphs:digits:x", "'x' is no number of a permutation"),
        ("split:glyphs:digits:3", "'3' does not choose a group of classes"),
        ("split:glyphs:digits:2/2", "counted from 0, so the last is 1"),
        ("split:glyphs:digits:0/6", "10 classes, too few for 6 groups of at least two. Choose at most 5"),
        ("split:arrays:abc:0/2", "Change them before they are given"),
        ("split:permuted:glyphs:digits:0/2", "does not name a source and a choice; write permuted"),
    ],
)
def test_what_cannot_be_derived_is_explained(source: str, hint: str) -> None:
    with pytest.raises(TaskDataError, match=hint):
        load_raw(source)


def test_an_unknown_inner_source_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"'glyph'.*Did you mean 'glyphs'"):
        normalise_source("permuted:glyph:digits:1")
