"""Split expressions cut what they say, and say what is wrong with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.base import RawData, Split
from taskgrove.tasks.splits import cut, select, shared, stratified_order


def split_of(labels: list[int] | range, **columns: list[int]) -> Split:
    """Images whose one pixel is their position."""
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    arrays = {name: np.array(column) for name, column in columns.items()}
    return Split(images=images, labels=np.array(labels, np.int64), columns=arrays)


def raw_of(**splits: Split) -> RawData:
    return RawData(splits=splits, class_names=tuple(str(i) for i in range(100)))


def cut_labels(expression: str, size: int = 20) -> list[int]:
    raw = raw_of(train=split_of(range(size)), test=split_of(range(50, 60)))
    labels: list[int] = cut(raw, expression).labels.tolist()
    return labels


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("train", range(20)),
        ("train[:]", range(20)),
        ("train[5%:]", range(1, 20)),
        ("train[:5%]", range(1)),
        ("train[10%:20%]", range(2, 4)),
        ("train[:8]", range(8)),
        ("train[:800]", range(20)),
        ("train[3:50%]", range(3, 10)),
        ("train[-5:]", range(15, 20)),
        ("train[:-5]", range(15)),
        ("train[-10%:]", range(18, 20)),
        ("train[-50:4]", range(4)),
        (" train [ 5% : 10% ] ", range(1, 2)),
        ("train[12.5%:25%]", range(2, 5)),
        ("test[50%:]", range(55, 60)),
        ("train[10:][:50%]", range(10, 15)),
    ],
)
def test_slices_follow_the_grammar(expression: str, expected: range) -> None:
    assert cut_labels(expression) == list(expected)


@pytest.mark.parametrize(
    ("size", "percent", "expected"), [(30, "5%", 2), (50, "5%", 2), (70, "5%", 4), (999, "33%", 330)]
)
def test_percent_boundaries_go_to_the_nearest_image_and_halves_to_the_even_one(
    size: int, percent: str, expected: int
) -> None:
    raw = raw_of(train=split_of([0] * size))
    assert len(cut(raw, f"train[:{percent}]")) == expected
    assert len(cut(raw, f"train[{percent}:]")) == size - expected


def test_a_union_puts_parts_one_after_the_other() -> None:
    assert cut_labels("test[:2]+train[-1:] + train[:1]") == [50, 51, 19, 0]


def test_a_union_keeps_the_columns_that_all_parts_have() -> None:
    raw = raw_of(a=split_of([0, 1], drawer=[7, 8], only_a=[1, 1]), b=split_of([2], drawer=[9]))
    result = cut(raw, "a+b")
    assert {name: column.tolist() for name, column in result.columns.items()} == {"drawer": [7, 8, 9]}


def test_columns_choose_by_range_or_value() -> None:
    raw = raw_of(all=split_of(range(6), drawer=[1, 2, 3, 1, 2, -3]))
    assert cut(raw, "all[drawer=1..2]").labels.tolist() == [0, 1, 3, 4]
    assert cut(raw, "all[drawer=3]").labels.tolist() == [2]
    assert cut(raw, "all[drawer=-3 .. -1]").labels.tolist() == [5]
    assert cut(raw, "all[drawer=3]+all[drawer=1]").labels.tolist() == [2, 0, 3]
    assert cut(raw, "all[drawer=1..2][50%:]").columns["drawer"].tolist() == [1, 2]


def test_a_plain_slice_is_a_view_and_other_cuts_are_copies() -> None:
    raw = raw_of(train=split_of(range(20)))
    assert np.shares_memory(cut(raw, "train[5%:]").images, raw.splits["train"].images)
    assert not np.shares_memory(cut(raw, "train[stratified 5%:]").images, raw.splits["train"].images)


def test_a_stratified_tenth_holds_a_tenth_of_every_class() -> None:
    raw = raw_of(train=split_of([0] * 100 + [1] * 50 + [2] * 50))
    assert np.bincount(cut(raw, "train[stratified :10%]").labels).tolist() == [10, 5, 5]
    assert np.bincount(cut(raw, "train[stratified 10%:]").labels).tolist() == [90, 45, 45]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 100))
def test_stratified_pieces_are_disjoint_and_cover(labels: list[int], percent: int) -> None:
    raw = raw_of(train=split_of(labels))
    index = [
        set(select(raw, f"train[stratified {piece}] + train[:1]").parts[0][1].tolist())
        for piece in (f":{percent}%", f"{percent}%:")
    ]
    assert not index[0] & index[1]
    assert index[0] | index[1] == set(range(len(labels)))


def test_the_stratified_order_never_changes() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1], np.int64)
    assert stratified_order(labels).tolist() == [2, 5, 1, 3, 4, 0]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "train[",
        "train[5%]",
        "train[a:b]",
        "train[::2]",
        "train[5%:]]",
        "train[drawer=1,2]",
        "train+",
        "[5%:]",
    ],
)
def test_an_expression_that_cannot_be_read_is_quoted_with_examples(expression: str) -> None:
    with pytest.raises(TaskDataError, match="cannot be read") as error:
        cut_labels(expression)
    assert repr(expression) in str(error.value)
    assert "train[5%:]" in str(error.value)


def test_unknown_splits_and_columns_list_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"'trian'.*Did you mean 'train'.*test, train"):
        cut_labels("trian[5%:]")
    with pytest.raises(UnknownNameError, match=r"no column named 'drawer'.*Known: fold"):
        cut(raw_of(train=split_of([0, 1], fold=[0, 1])), "train[drawer=1]")


def test_a_column_of_other_numbers_cannot_be_cut_by() -> None:
    split = Split(images=split_of([0]).images, labels=np.zeros(1, np.int64), columns={"w": np.array([0.5])})
    with pytest.raises(TaskDataError, match="whole numbers"):
        cut(raw_of(train=split), "train[w=0..1]")


def test_an_empty_result_tells_the_sizes() -> None:
    with pytest.raises(TaskDataError, match=r"no image.*'train': 20"):
        cut_labels("train[:1%]")
    with pytest.raises(TaskDataError, match="beyond 100 percent"):
        cut_labels("train[:101%]")


def test_shared_images_are_found_through_aliases() -> None:
    raw = raw_of(
        train=split_of([0, 1, 2], row=[0, 1, 2]), test=split_of([3], row=[3]), small=split_of([1], row=[1])
    )
    whole, small, test = select(raw, "train"), select(raw, "small"), select(raw, "test")
    assert shared(raw, whole, small) == 1
    assert shared(raw, small, test) == 0
    assert shared(raw, select(raw, "train[:2]"), select(raw, "train[1:]+test")) == 1


def test_splits_without_rows_are_different_images() -> None:
    raw = raw_of(train=split_of([0, 1, 2]), test=split_of([0, 1]))
    assert shared(raw, select(raw, "train"), select(raw, "test")) == 0
    assert shared(raw, select(raw, "test[:1]"), select(raw, "test")) == 1
