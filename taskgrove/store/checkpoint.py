"""Checkpoints: the live state after every thousandth commit, so that opening a store replays less than that.

A checkpoint is a cache. Anybody may write it; one that is damaged, of another schema, or of another log is
ignored.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from taskgrove.domain.ids import CommitId
from taskgrove.store.base import AbstractBackend
from taskgrove.store.keys import record_key
from taskgrove.store.segments import THOUSAND
from taskgrove.store.state import State

CHECKPOINTS = "state/main/"
SCHEMA = 1
"""Changes with every field of the state and with every rule by which commits change it."""
_LEVEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a store has to know to go on from a commit.

    Attributes:
        state: After the commit.
        numbers: Of the newest commits by their ids, oldest first, so that a repeated commit is recognised.
    """

    state: State = field(default_factory=State)
    numbers: Mapping[CommitId, int] = field(default_factory=dict)


class _Envelope(msgspec.Struct):
    schema: int
    sha256: str
    checkpoint: msgspec.Raw


def checkpoint_key(num_commits: int) -> str:
    """The key of the state after the first `num_commits` commits, so after number `num_commits - 1`."""
    return f"{CHECKPOINTS}{num_commits:09d}.json.gz"


def keep_checkpoint(backend: AbstractBackend, checkpoint: Checkpoint) -> None:
    """Write a checkpoint unless there is one."""
    body = msgspec.json.encode(checkpoint)
    envelope = _Envelope(schema=SCHEMA, sha256=hashlib.sha256(body).hexdigest(), checkpoint=msgspec.Raw(body))
    packed = gzip.compress(msgspec.json.encode(envelope), _LEVEL, mtime=0)
    backend.put_new(checkpoint_key(checkpoint.state.view.number + 1), packed)


def load_checkpoint(backend: AbstractBackend, num_commits: int) -> Checkpoint | None:
    """The checkpoint of the first `num_commits` commits; None when there is none that can be trusted."""
    packed = backend.get(checkpoint_key(num_commits))
    found = None if packed is None else _unpacked(packed)
    if found is None or found.state.view.number != num_commits - 1:
        return None
    record = backend.get(record_key(num_commits - 1))
    return found if record is not None and hashlib.sha256(record).hexdigest() == found.state.head else None


def nearest_checkpoint(backend: AbstractBackend, num_commits: int, thousand: int = THOUSAND) -> Checkpoint:
    """The newest checkpoint of at most `num_commits` commits; that of an empty log when there is none.

    Args:
        backend: Holds the log.
        num_commits: Of which the log has at least so many.
        thousand: Commits from one checkpoint to the next.
    """
    for count in range(num_commits // thousand, 0, -1):
        found = load_checkpoint(backend, count * thousand)
        if found is not None:
            return found
    return Checkpoint()


def _unpacked(packed: bytes) -> Checkpoint | None:
    try:
        envelope = msgspec.json.decode(gzip.decompress(packed), type=_Envelope)
        sound = hashlib.sha256(envelope.checkpoint).hexdigest() == envelope.sha256
        if envelope.schema != SCHEMA or not sound:
            return None
        return msgspec.json.decode(envelope.checkpoint, type=Checkpoint)
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError, UnicodeDecodeError):
        return None
