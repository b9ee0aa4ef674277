"""Segments: a thousand records of the log in one object, so that history is read in few requests.

A segment is a cache. Anybody may write it, since the log decides every byte of it; one that is damaged or
that the log does not prove is ignored.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterable
from itertools import pairwise

import msgspec

from taskgrove.store.base import AbstractBackend
from taskgrove.store.keys import record_key

SEGMENTS = "segments/main/"
THOUSAND = 1000
"""Records of a segment, and commits from one checkpoint to the next."""
_LEVEL = 3


class _Linked(msgspec.Struct):
    previous: str


class _Line(msgspec.Struct):
    record: _Linked


_LINE = msgspec.json.Decoder(_Line)


def segment_key(number: int) -> str:
    """The key of a segment; segment 0 begins with commit 0."""
    return f"{SEGMENTS}{number:06d}.jsonl.gz"


def keep_segment(backend: AbstractBackend, number: int, records: Iterable[bytes]) -> None:
    """Write a segment unless it is there: the records exactly as their bytes, one per line.

    Args:
        backend: Holds the log.
        number: Of the segment.
        records: All of its records, in order.
    """
    text = b"".join(record + b"\n" for record in records)
    backend.put_new(segment_key(number), gzip.compress(text, _LEVEL, mtime=0))


def load_segment(backend: AbstractBackend, number: int, thousand: int = THOUSAND) -> list[bytes] | None:
    """The records of a segment; None when there is none, or none that the log proves.

    The hash chain proves all records by the last, and the last must be the log's own record.

    Args:
        backend: Holds the log.
        number: Of the segment.
        thousand: Records that it must hold.
    """
    packed = backend.get(segment_key(number))
    last = None if packed is None else backend.get(record_key((number + 1) * thousand - 1))
    if packed is None or last is None:
        return None
    try:
        *records, rest = gzip.decompress(packed).split(b"\n")
        proved = (len(records), records[-1:], rest) == (thousand, [last], b"") and _chained(records)
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return records if proved else None


def _chained(records: list[bytes]) -> bool:
    return all(
        _LINE.decode(after).record.previous == hashlib.sha256(before).hexdigest()
        for before, after in pairwise(records)
    )
