"""Storage in a dictionary: gone with the process; for tests, demonstrations and notebooks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import ClassVar, final

from taskgrove.store.base import AbstractBackend, Entry
from taskgrove.store.keys import check_key, check_prefix


@final
class MemoryBackend(AbstractBackend):
    """Objects in this process's memory.

    Args:
        name: What `memory://NAME` calls it; all who open a name share one storage until the process ends.
            Without a name, only those who are handed it have it.
    """

    name: ClassVar[str] = "memory"
    summary: ClassVar[str] = "in this process's memory, by name; gone when it ends"

    def __init__(self, name: str | None = None) -> None:
        self._name = name
        self._objects: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    @classmethod
    def at(cls, location: str) -> MemoryBackend:
        name = location.removeprefix("//")
        return _NAMED.setdefault(name, cls(name))

    def __str__(self) -> str:
        return "this process's memory" if self._name is None else f"memory://{self._name}"

    def get(self, key: str) -> bytes | None:
        check_key(key)
        with self._lock:
            data, _ = self._objects.get(key, (None, 0.0))
        return data

    def size(self, key: str) -> int | None:
        data = self.get(key)
        return None if data is None else len(data)

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


_NAMED: dict[str, MemoryBackend] = {}
