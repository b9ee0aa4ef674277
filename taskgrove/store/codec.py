"""Commits as canonical JSON that carries its own checksum: any flipped bit is noticed at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from taskgrove.domain.errors import BadValueError, StoreCorruptError, StoreFormatError
from taskgrove.domain.ids import CommitId
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddRoot,
    AddTask,
    BeginIteration,
    Commit,
    EndIteration,
    FinishChild,
    Operation,
    StartExperiment,
)

KINDS: Mapping[str, type[Operation]] = {
    "add_root": AddRoot,
    "add_task": AddTask,
    "start_experiment": StartExperiment,
    "begin_iteration": BeginIteration,
    "finish_child": FinishChild,
    "end_iteration": EndIteration,
    "add_evaluation": AddEvaluation,
    "add_metrics": AddMetrics,
}
"""Operations by the name under which they are stored; append-only."""

_NAMES = {operation: kind for kind, operation in KINDS.items()}
_NEWER = (
    "The record is intact but cannot be understood, most likely since a newer Taskgrove wrote it; "
    "read the store with that version"
)


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    record: msgspec.Raw
    sha256: str


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    number: int
    previous: str
    id: CommitId
    time: float
    meters: dict[str, float]
    kind: str
    operation: msgspec.Raw


def encode(commit: Commit) -> bytes:
    """The commit's bytes in the log; equal commits give equal bytes.

    Raises:
        BadValueError: The commit would not come back as it is: it holds NaN, an infinity, or a value
            of another type than declared.
    """
    try:
        data = _dump(commit)
        same = decode(data) == commit
    except (TypeError, ValueError, msgspec.MsgspecError, StoreFormatError) as error:
        raise BadValueError(f"{_blame(commit)} ({error}).") from error
    if not same:
        raise BadValueError(f"{_blame(commit)}.")
    return data


def decode(data: bytes) -> Commit:
    """The commit that `encode` gave these bytes for.

    Raises:
        StoreCorruptError: The bytes are not a record, or do not match the checksum in them.
        StoreFormatError: The record is intact but of a kind or with fields that this version of
            Taskgrove does not know.
    """
    record = _checked(data)
    try:
        commit = _commit(msgspec.json.decode(record, type=_Record))
    except msgspec.MsgspecError as error:
        raise StoreFormatError(f"{_NEWER} ({error}).") from error
    if _dump(commit) != data and not _known(msgspec.json.decode(record), _fields(commit)):
        raise StoreFormatError(f"{_NEWER} (it has fields without a meaning here).")
    return commit


def _blame(commit: Commit) -> str:
    return (
        f"The {type(commit.operation).__name__} cannot be stored: it holds NaN, an infinity or a value of "
        "another type than its record declares; replace the value and commit again"
    )


def _checked(data: bytes) -> msgspec.Raw:
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreCorruptError(
            f"The {len(data)} bytes are not a record ({error}). Restore it from a backup; `taskgrove check` "
            "tells what else is damaged."
        ) from error
    if hashlib.sha256(envelope.record).hexdigest() != envelope.sha256:
        raise StoreCorruptError(
            f"The record does not match its own checksum {envelope.sha256[:12]}…, so its bytes have changed "
            "since it was written. Restore it from a backup; `taskgrove check` tells what else is damaged."
        )
    return envelope.record


def _commit(record: _Record) -> Commit:
    if record.kind not in KINDS:
        raise StoreFormatError(f"{_NEWER} (its kind is {record.kind!r}).")
    return Commit(
        number=record.number,
        previous=record.previous,
        id=record.id,
        time=record.time,
        meters=record.meters,
        operation=msgspec.json.decode(record.operation, type=KINDS[record.kind]),
    )


def _dump(commit: Commit) -> bytes:
    record = _json(
        _Record(
            number=commit.number,
            previous=commit.previous,
            id=commit.id,
            time=commit.time,
            meters=dict(commit.meters),
            kind=_NAMES[type(commit.operation)],
            operation=msgspec.Raw(_json(commit.operation)),
        )
    )
    return _json(_Envelope(record=msgspec.Raw(record), sha256=hashlib.sha256(record).hexdigest()))


def _json(value: object) -> bytes:
    return msgspec.json.encode(value, order="deterministic", enc_hook=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")


def _fields(commit: Commit) -> Any:
    return msgspec.json.decode(_checked(_dump(commit)))


def _known(stored: Any, understood: Any) -> bool:
    """Whether everything that was stored was understood; what is missing has a default."""
    if isinstance(stored, dict):
        return all(key in understood and _known(stored[key], understood[key]) for key in stored)
    if isinstance(stored, list):
        return all(map(_known, stored, understood))
    return bool(stored == understood)
