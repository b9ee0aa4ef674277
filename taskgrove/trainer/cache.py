"""A bounded memory of what was read: least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Values by key up to a total size; a value larger than the limit is passed through.

    Args:
        load: Makes the value of a key.
        size_bytes: Of a value.
        limit_bytes: Of all kept values together.
    """

    def __init__(self, load: Callable[[K], V], size_bytes: Callable[[V], int], limit_bytes: int) -> None:
        self._load = load
        self._size = size_bytes
        self._limit = limit_bytes
        self._used = 0
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V:
        """The value of a key, loaded on first use."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = self._load(key)
        size = self._size(value)
        if size <= self._limit:
            self._kept[key] = value
            self._used += size
            while self._used > self._limit:
                self._used -= self._size(self._kept.popitem(last=False)[1])
        return value
