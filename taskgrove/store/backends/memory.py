"""Storage in a dictionary: gone with the process; for tests, demonstrations and notebooks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import ClassVar, final

from taskgrove.domain.errors import BadValueError
from taskgrove.store.base import AbstractBackend, Entry
from taskgrove.store.keys import check_key, check_prefix


@final
class MemoryBackend(AbstractBackend):
    """Objects in this process's memory."""

    name: ClassVar[str] = "memory"
    summary: ClassVar[str] = "in this process's memory; gone when it ends"

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    @classmethod
    def at(cls, location: str) -> MemoryBackend:
        raise BadValueError(
            f"A store in memory has no name such as {location!r} and ends with its process; make one in "
            "Python, with MemoryBackend()."
        )

    def __str__(self) -> str:
        return "this process's memory"

    def get(self, key: str) -> bytes | None:
        check_key(key)
        with self._lock:
            data, _ = self._objects.get(key, (None, 0.0))
        return data

    def put_new(self, key: str, data: bytes) -> bool:
        check_key(key)
        mine = (bytes(data), time.time())
        with self._lock:
            return self._objects.setdefault(key, mine) is mine

    def put(self, key: str, data: bytes) -> None:
        check_key(key)
        with self._lock:
            self._objects[key] = (bytes(data), time.time())

    def list(self, prefix: str) -> Iterator[Entry]:
        check_prefix(prefix)
        with self._lock:
            found = [item for item in self._objects.items() if item[0].startswith(prefix)]
        for key, (data, mtime) in found:
            yield Entry(key, len(data), mtime)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            check_key(key)
            with self._lock:
                self._objects.pop(key, None)
