"""Healing: what is damaged or missing is put back from other copies, whose bytes prove themselves.

A blob is proved by its name, a record by the chain: by the record after it, or by the checksum that its own
damaged bytes still carry. What cannot be proved stays as it is, so nothing is made worse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from taskgrove.domain.errors import StoreError, StorePathError
from taskgrove.domain.ids import BlobId
from taskgrove.store.base import AbstractBackend
from taskgrove.store.blobs import copy_of
from taskgrove.store.forked import owned
from taskgrove.store.header import HEADER, header_damaged, read_header
from taskgrove.store.keys import record_key
from taskgrove.store.upkeep.check import CheckReport, check
from taskgrove.store.upkeep.heal_log import heal_log
from taskgrove.store.upkeep.names import key_of
from taskgrove.store.upkeep.together import Told, silent

Spare = Callable[[BlobId], bytes | None]
"""Where else a blob may be found; what it gives is verified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed:
    """What was put back, and what a check says afterwards.

    Attributes:
        report: Of the store as it is now.
        keys: Of the objects that were put back.
    """

    report: CheckReport
    keys: tuple[str, ...]


def heal(
    backend: AbstractBackend,
    places: Sequence[AbstractBackend],
    *,
    spare: Spare = lambda _: None,
    deep: bool = True,
    told: Told = silent,
) -> Healed:
    """Check a store and put back what is damaged, as far as intact copies are found.

    Args:
        backend: Holds the store.
        places: Mirrors, forks or copies of it; they are only read.
        spare: Asked for blobs last.
        deep: Read every blob; otherwise only missing ones are found.
        told: Hears of the progress.

    Raises:
        StorePathError: There is nothing that looks like a store.
        EnvironmentFailure: One of the storages fails.
    """
    keys = [*_heal_header(backend, places), *heal_log(backend, places)]
    report = check(backend, deep, told)
    lost = dict(report.lost)
    for name in report.lost:
        blob = name[0]
        found = (copy_of(place, blob) for place in (backend, *places))
        data = next(filter(None, chain(found, map(spare, [blob]))), None)
        if data is not None and hashlib.sha256(data).hexdigest() == blob:
            backend.put(key_of(name), data)
            keys.append(key_of(name))
            del lost[name]
    # Without them all is only slower, and `put_new` could never replace them.
    owned(backend).delete([*report.unusable, *report.wrong])
    mended = {text for name, text in report.lost.items() if name not in lost}
    problems = tuple(
        text for text in report.problems if text not in mended and not text.startswith(report.wrong)
    )
    report = replace(report, problems=problems, lost=lost, unusable=(), wrong=())
    return Healed(report=report, keys=tuple(keys))


def _heal_header(backend: AbstractBackend, places: Sequence[AbstractBackend]) -> Iterator[str]:
    """Take the header of a mirror: of a place with the same first record, that is no fork."""
    first = backend.get(record_key(0))
    if first is None or not header_damaged(backend):
        return
    for place in places:
        if place.get(record_key(0)) != first:
            continue
        with suppress(StoreError, StorePathError):
            data = place.get(HEADER)
            if data is not None and read_header(place).parent is None:
                backend.put(HEADER, data)
                yield HEADER
                return
