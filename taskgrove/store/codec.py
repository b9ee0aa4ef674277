"""Commits as canonical JSON that carries its own checksum: any flipped bit is noticed at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    BeginRound,
    Claim,
    Commit,
    Condemn,
    EndIteration,
    FinishChild,
    FinishProbe,
    Note,
    Operation,
    Publish,
    Retire,
    StartExperiment,
    Tag,
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
    "publish": Publish,
    "claim": Claim,
    "tag": Tag,
    "note": Note,
    "retire": Retire,
    "condemn": Condemn,
    "begin_round": BeginRound,
    "finish_probe": FinishProbe,
}
"""Operations by the name under which they are stored; append-only."""

SCHEMA = 4
"""Of records written now; older ones are read for ever."""
_OLDEST = 3
"""Of records that do not name their schema."""

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
    claim: int | None = None
    epoch: int = 0
    schema: int = _OLDEST


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")


_ENCODER = msgspec.json.Encoder(order="deterministic", enc_hook=_plain)
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_RECORD = msgspec.json.Decoder(_Record)
_OPERATIONS: Mapping[str, msgspec.json.Decoder[Operation]] = {
    kind: msgspec.json.Decoder(operation) for kind, operation in KINDS.items()
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit as every reader will decode it, before its place in the log is known.

    Attributes:
        commit: `number`, `previous` and `epoch` are still to come.
        operation: As it is stored.
    """

    commit: Commit
    operation: msgspec.Raw

    def placed(self, number: int, previous: str, epoch: int) -> tuple[Commit, bytes]:
        """The commit at its place, and its bytes in the log."""
        commit = replace(self.commit, number=number, previous=previous, epoch=epoch)
        return commit, _sealed(_record(commit, self.operation))


def draft(commit: Commit) -> Draft:
    """What will be stored of a commit.

    Raises:
        BadValueError: The commit would not come back as it is: it holds NaN, an infinity, or a value
            of another type than declared.
    """
    try:
        stored, _ = _understood(_record(commit, msgspec.Raw(_json(commit.operation))))
        same = stored == commit
    except (TypeError, ValueError, msgspec.MsgspecError, StoreFormatError) as error:
        raise BadValueError(f"{_blame(commit)} ({error}).") from error
    if not same:
        raise BadValueError(f"{_blame(commit)}.")
    return Draft(stored, msgspec.Raw(_json(stored.operation)))


def encode(commit: Commit) -> bytes:
    """The commit's bytes in the log; equal commits give equal bytes. Raises what `draft` raises."""
    draft(commit)
    return _sealed(_record(commit, msgspec.Raw(_json(commit.operation))))


def decode(data: bytes) -> Commit:
    """The commit that `encode` gave these bytes for.

    Raises:
        StoreCorruptError: The bytes are not a record, or do not match the checksum in them.
        StoreFormatError: The record is intact but of a kind or with fields that this version of
            Taskgrove does not know.
    """
    record = _checked(data)
    try:
        commit, operation = _understood(record)
    except msgspec.MsgspecError as error:
        raise StoreFormatError(f"{_NEWER} ({error}).") from error
    understood = _json(commit.operation)
    if understood != bytes(operation) and not _known(
        msgspec.json.decode(operation), msgspec.json.decode(understood)
    ):
        raise StoreFormatError(f"{_NEWER} (it has fields without a meaning here).")
    return commit


def _json(value: object) -> bytes:
    return _ENCODER.encode(value)


def _blame(commit: Commit) -> str:
    return (
        f"The {type(commit.operation).__name__} cannot be stored: it holds NaN, an infinity or a value of "
        "another type than its record declares; replace the value and commit again"
    )


def _checked(data: bytes) -> msgspec.Raw:
    try:
        envelope = _ENVELOPE.decode(data)
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


def _understood(data: msgspec.Raw) -> tuple[Commit, msgspec.Raw]:
    """The commit of a record, and its operation as stored."""
    record = _RECORD.decode(data)
    if record.schema not in range(_OLDEST, SCHEMA + 1):
        raise StoreFormatError(f"{_NEWER} (its schema is {record.schema}, known are {_OLDEST} to {SCHEMA}).")
    if record.kind not in KINDS:
        raise StoreFormatError(f"{_NEWER} (its kind is {record.kind!r}).")
    commit = Commit(
        number=record.number,
        previous=record.previous,
        id=record.id,
        time=record.time,
        meters=record.meters,
        claim=record.claim,
        epoch=record.epoch,
        operation=_OPERATIONS[record.kind].decode(record.operation),
    )
    return commit, record.operation


def _record(commit: Commit, operation: msgspec.Raw) -> msgspec.Raw:
    record = _Record(
        number=commit.number,
        previous=commit.previous,
        id=commit.id,
        time=commit.time,
        meters=dict(commit.meters),
        kind=_NAMES[type(commit.operation)],
        operation=operation,
        claim=commit.claim,
        epoch=commit.epoch,
        schema=SCHEMA,
    )
    return msgspec.Raw(_json(record))


def _sealed(record: msgspec.Raw) -> bytes:
    return _json(_Envelope(record=record, sha256=hashlib.sha256(record).hexdigest()))


def _known(stored: Any, understood: Any) -> bool:
    """Whether everything that was stored was understood; what is missing has a default."""
    if isinstance(stored, dict):
        return all(key in understood and _known(stored[key], understood[key]) for key in stored)
    if isinstance(stored, list):
        return all(map(_known, stored, understood))
    return bool(stored == understood)
