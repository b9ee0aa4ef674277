"""Commits survive their encoding exactly, and damage never does."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest

from taskgrove.domain.errors import BadValueError, StoreCorruptError, StoreError, StoreFormatError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import CommitId, TaskName
from taskgrove.domain.records import AddRoot, Commit, FinishChild, Model, Operation
from taskgrove.store.codec import KINDS, decode, encode
from taskgrove.store.keys import blob_id
from taskgrove.testing.scripts import (
    add_root,
    add_task,
    begin_round,
    claim,
    condemn,
    life,
    note,
    probe,
    publish,
    retire,
    tag,
)

ROOT = add_root()[1]

HPARAMS: dict[str, HparamValue] = {
    "b": True,
    "i": 3,
    "one": 1.0,
    "big": 1e300,
    "third": 1 / 3,
    "text": "é\n\0",
    "neg": -0.0,
}


def commit_of(operation: Operation) -> Commit:
    return Commit(
        number=3, previous="p" * 64, id=CommitId("me"), time=0.1, operation=operation, meters={"train": 1.5}
    )


def with_hparams(**hparams: bool | int | float | str) -> Commit:
    return commit_of(AddRoot(model=Model(member="m", num_classes=2, components=(), hparams=hparams)))


def test_every_kind_of_operation_comes_back_as_it_was() -> None:
    rest = [
        publish([ROOT], {"a": None, "b": ROOT.id}, "a"),
        claim("a"),
        tag("v1", 3),
        note("hm"),
        retire("a"),
        begin_round("ab"),
        probe(replace(ROOT, task=TaskName("a")), replace(ROOT, task=TaskName("b"))),
    ]
    steps = [*life(), *rest, note("hm", "a"), condemn([(blob_id(b"1"), 0)], 4)]
    operations = [step.operation for step in steps]
    assert {type(operation) for operation in operations} == set(KINDS.values())
    for operation in operations:
        for claimed in (None, 7):
            commit = replace(commit_of(operation), claim=claimed, epoch=claimed or 0)
            assert decode(encode(commit)) == commit


def test_values_keep_their_types() -> None:
    back = decode(encode(with_hparams(**HPARAMS))).operation
    assert isinstance(back, AddRoot)
    assert {k: (type(v), v) for k, v in back.model.hparams.items()} == {
        k: (type(v), v) for k, v in HPARAMS.items()
    }


def test_equal_commits_have_equal_bytes() -> None:
    one = with_hparams(a=1, b=2)
    other = with_hparams(b=2, a=1)
    proxy = replace(one, meters=MappingProxyType({"train": 1.5}))
    assert encode(one) == encode(other) == encode(proxy)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_refused(value: float) -> None:
    with pytest.raises(BadValueError, match="AddRoot cannot be stored: it holds NaN"):
        encode(with_hparams(lr=value))
    with pytest.raises(BadValueError):
        encode(replace(with_hparams(), meters={"train": value}))
    child = next(step.operation for step in life() if isinstance(step.operation, FinishChild))
    with pytest.raises(BadValueError):
        encode(commit_of(replace(child, score=value)))


def test_values_of_another_type_are_refused() -> None:
    model = Model(member="m", num_classes=2, components=(), hparams={})
    wrong: list[dict[str, object]] = [
        {"mutations": ["a"]},
        {"num_classes": "2"},
        {"quality": "high"},
        {"seed": 0.5},
    ]
    for change in wrong:
        with pytest.raises(BadValueError):
            encode(commit_of(AddRoot(model=replace(model, **change))))  # type: ignore[arg-type]


def test_every_flipped_bit_is_noticed() -> None:
    data = encode(commit_of(add_task("a").operation))
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << (place % 8)
        with pytest.raises(StoreError):
            decode(bytes(damaged))


def test_every_truncation_is_noticed() -> None:
    data = encode(commit_of(add_task("a").operation))
    for size in range(len(data)):
        with pytest.raises(StoreCorruptError):
            decode(data[:size])


def rewritten(change: Callable[[dict[str, object]], object]) -> bytes:
    """A record changed by someone who also renewed its checksum."""
    record = json.loads(encode(commit_of(add_root()[0].operation)))["record"]
    change(record)
    text = json.dumps(record, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f'{{"record":{text},"sha256":"{digest}"}}'.encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(kind="merge_systems"),
        lambda r: r.update(extra=1),
        lambda r: r.pop("previous"),
        lambda r: r["operation"].update(extra=1),
        lambda r: r["operation"]["model"].update(extra=1),
        lambda r: r["operation"]["model"]["components"][0].update(extra=1),
        lambda r: r["operation"]["model"].pop("member"),
        lambda r: r["operation"]["model"].update(num_classes="2"),
    ],
)
def test_records_of_another_version_are_named_as_such(change: Callable[[dict[str, object]], object]) -> None:
    with pytest.raises(StoreFormatError, match="newer Taskgrove"):
        decode(rewritten(change))


def test_older_records_without_fields_that_have_defaults_are_read() -> None:
    def drop(record: dict[str, dict[str, dict[str, object]]]) -> None:
        del record["operation"]["model"]["flops"]

    assert decode(rewritten(drop)) == commit_of(add_root()[0].operation)  # type: ignore[arg-type]
