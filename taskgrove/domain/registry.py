"""Registries of plug-ins: what the package ships, open to other packages by entry point."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoints, entry_points
from typing import Generic, TypeVar

from taskgrove.domain.errors import UnknownNameError

T = TypeVar("T")


@lru_cache(maxsize=64)
def _foreign(group: str, path: tuple[str, ...]) -> EntryPoints:  # noqa: ARG001 - of packages on this path
    """What other packages list; to look for it takes 10 ms each time."""
    return entry_points(group=group)


class Registry(Generic[T]):
    """Plug-ins of one kind by name.

    Args:
        what: The kind, for messages: `agent`, `source`.
        group: Entry-point group in which other packages list their own, e.g. `taskgrove.sources`;
            an entry point's name is the plug-in's name and it loads the object itself.
        builtin: What the package ships.

    Example:
        >>> Registry("fruit", "example.fruits", {"apple": 1})["apple"]
        1
    """

    def __init__(self, what: str, group: str, builtin: Mapping[str, T]) -> None:
        self._what = what
        self._group = group
        self._builtin = dict(builtin)

    def __getitem__(self, name: str) -> T:
        if name in self._builtin:
            return self._builtin[name]
        for point in _foreign(self._group, tuple(sys.path)):
            if point.name == name:
                loaded: T = point.load()
                return loaded
        raise UnknownNameError.of(self._what, name, self)

    def __iter__(self) -> Iterator[str]:
        foreign = {point.name for point in _foreign(self._group, tuple(sys.path))}
        return iter(sorted({*self._builtin, *foreign}))

    def __contains__(self, name: object) -> bool:
        return name in set(self)

    def items(self) -> Iterator[tuple[str, T]]:
        """Names with their plug-ins, in order of name."""
        return ((name, self[name]) for name in self)
