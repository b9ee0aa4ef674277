"""A fork's storage: what the fork wrote lies in its own place, what was before it in its parent's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import ClassVar, final

from taskgrove.domain.errors import BadValueError
from taskgrove.store.base import AbstractBackend, Entry
from taskgrove.store.checkpoint import CHECKPOINTS
from taskgrove.store.keys import BLOBS, check_key, record_number
from taskgrove.store.segments import SEGMENTS

_SHARED = (BLOBS, CHECKPOINTS, SEGMENTS)


@final
class ForkedBackend(AbstractBackend):
    """Reads own objects first, then what the parent had at the fork; writes and deletes only own ones.

    Args:
        own: Where the fork's objects lie.
        parent: The parent's storage, itself forked perhaps; never written to.
        number: Of the last commit that both share.
    """

    name: ClassVar[str] = "fork"
    summary: ClassVar[str] = "a fork's own storage before that of its parent"

    def __init__(self, own: AbstractBackend, parent: AbstractBackend, number: int) -> None:
        self.own = own
        self.parent = parent
        self.number = number
        self.reads_at_once = max(own.reads_at_once, parent.reads_at_once)

    @classmethod
    def at(cls, location: str) -> ForkedBackend:
        raise BadValueError(f"A fork is opened by the place that it lies in, not by fork:{location}.")

    def __str__(self) -> str:
        return str(self.own)

    def get(self, key: str) -> bytes | None:
        data = self.own.get(key) if self._may_own(key) else None
        return self.parent.get(key) if data is None and self._inherits(key) else data

    def size(self, key: str) -> int | None:
        size = self.own.size(key) if self._may_own(key) else None
        return self.parent.size(key) if size is None and self._inherits(key) else size

    def put_new(self, key: str, data: bytes) -> bool:
        check_key(key)
        return self._may_own(key) and self.own.put_new(key, data)

    def put(self, key: str, data: bytes) -> None:
        self.own.put(key, data)

    def list(self, prefix: str) -> Iterator[Entry]:
        own = {entry.key: entry for entry in self.own.list(prefix) if self._may_own(entry.key)}
        yield from own.values()
        for entry in self.parent.list(prefix):
            if entry.key not in own and self._inherits(entry.key):
                yield entry

    def delete(self, keys: Iterable[str]) -> None:
        self.own.delete(keys)

    def turn(self) -> AbstractContextManager[bool]:
        return self.own.turn()

    def unfinished(self) -> Iterator[str]:
        return self.own.unfinished()

    def sweep(self, before: float) -> int:
        return self.own.sweep(before)

    def _may_own(self, key: str) -> bool:
        """Records up to the fork are the parent's, whatever else lies there."""
        number = record_number(key)
        return number is None or number > self.number

    def _inherits(self, key: str) -> bool:
        """Blobs prove themselves by their names, and caches by the records up to the fork."""
        number = record_number(key)
        return key.startswith(_SHARED) if number is None else number <= self.number


def owned(backend: AbstractBackend) -> AbstractBackend:
    """The part of a storage that its store may delete from, and that nobody else deletes from."""
    return backend.own if isinstance(backend, ForkedBackend) else backend
