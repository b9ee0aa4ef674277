"""Train, val and test by default and on demand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.base import RawData, Split
from taskgrove.tasks.roles import cut_task, default_splits, own_splits, resolve_splits
from taskgrove.tasks.splits import cut

PLAIN = {"train": "train[2:]", "val": "train[:2]", "test": "test"}


def split_of(labels: list[int], **columns: list[int]) -> Split:
    arrays = {name: np.array(column) for name, column in columns.items()}
    images = np.zeros((len(labels), 1, 1, 1), np.uint8)
    return Split(images=images, labels=np.array(labels, np.int64), columns=arrays)


def raw_of(**splits: Split) -> RawData:
    return RawData(splits=splits, class_names=tuple("abcde"))


def small_raw(train: list[int] | None = None, test: list[int] | None = None) -> RawData:
    return raw_of(train=split_of(train or [0, 1, 0, 1, 0, 1]), test=split_of(test or [0, 1]))


def test_a_role_left_out_is_the_split_of_that_name() -> None:
    assert resolve_splits(small_raw(), {"train": "train[2:]", "val": "train[:2]"}) == PLAIN
    with pytest.raises(TaskDataError, match=r"given for val.*Give all three"):
        resolve_splits(small_raw(), {"train": "train[2:]"})
    with pytest.raises(UnknownNameError, match=r"'valid'.*test, train, val"):
        resolve_splits(small_raw(), {"valid": "train[:2]"})


def test_splits_that_share_images_are_refused_unless_allowed() -> None:
    raw = raw_of(
        train=split_of([0, 1, 0, 1], row=[0, 1, 2, 3]),
        small=split_of([1, 0], row=[1, 2]),
        test=split_of([0, 1], row=[4, 5]),
    )
    for val in ("train[2:]", "small"):
        splits = {"train": "train", "val": val, "test": "test"}
        with pytest.raises(TaskDataError, match=r"train = 'train' and val = .* share 2 images"):
            cut_task(raw, splits)
        assert len(cut_task(raw, splits, allow_overlap=True).val) == 2
    with pytest.raises(TaskDataError, match=r"val = 'small' and test = 'small'"):
        cut_task(raw, {"train": "train[:1]+test", "val": "small", "test": "small"})


def test_training_on_one_class_is_refused() -> None:
    with pytest.raises(TaskDataError, match="single class"):
        cut_task(small_raw([0, 0, 1, 1, 1]), PLAIN)


def test_a_test_without_any_trained_class_is_refused() -> None:
    with pytest.raises(TaskDataError, match=r"No image of test.*the source has train, test"):
        cut_task(small_raw(test=[2, 3]), PLAIN)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train", "val", "test"], {"train": "train", "val": "val", "test": "test"}),
        (["train", "validation", "test"], {"train": "train", "val": "validation", "test": "test"}),
        (
            ["all", "train", "test"],
            {"train": "train[stratified 10%:]", "val": "train[stratified 0%:10%]", "test": "test"},
        ),
        (
            ["train", "val"],
            {"train": "train[stratified 10%:]", "val": "val", "test": "train[stratified 0%:10%]"},
        ),
        (
            ["all"],
            {
                "train": "all[stratified 20%:]",
                "val": "all[stratified 0%:10%]",
                "test": "all[stratified 10%:20%]",
            },
        ),
    ],
)
def test_default_splits_cut_what_the_source_lacks_from_train(
    names: list[str], expected: dict[str, str]
) -> None:
    raw = raw_of(**{name: split_of([0, 1] * 20) for name in names})
    assert default_splits(raw) == expected
    sizes = [len(cut(raw, expression)) for expression in expected.values()]
    assert all(sizes)


def test_without_train_or_all_there_is_no_default() -> None:
    with pytest.raises(TaskDataError, match=r"\['test'\]"):
        default_splits(raw_of(test=split_of([0, 1])))
    assert own_splits(raw_of(test=split_of([0, 1]))) == {"test": "test"}
