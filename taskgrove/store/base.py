"""What a storage backend is: six verbs on keys and bytes; everything else is written once above it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class Entry:
    """What a listing says of one object: its key, size in bytes and modification time (s, epoch)."""

    key: str
    size_bytes: int
    mtime: float


class AbstractBackend(ABC):
    """Byte storage by key; keys are `/`-separated ASCII paths without `..`.

    Safe for concurrent use by any number of threads and processes. Errors of the operating system
    leave as `StorageFullError`, `StorageAccessError` or `EnvironmentFailure`, and after any error
    the object is either whole or absent under its key.
    """

    name: ClassVar[str]
    """Registered name."""
    summary: ClassVar[str]
    """One line for `taskgrove list backends`."""
    schemes: ClassVar[tuple[str, ...]] = ()
    """Schemes of the URLs that mean this storage, besides its name; without the colon."""
    reads_at_once: int = 1
    """How many requests at once pay off: more than 1 where each waits for a network."""

    @classmethod
    @abstractmethod
    def at(cls, location: str) -> Self:
        """The storage that a text means, where people write `<name>:<location>` or a URL.

        Args:
            location: What stands behind `<name>:`, in a form of the backend's own; or a whole URL of one
                of its `schemes`.

        Raises:
            BadValueError: The location means nothing to this backend.
        """

    @abstractmethod
    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None when there is none."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """The object's size in bytes, or None when there is none; cheap, since no body is read."""

    @abstractmethod
    def put_new(self, key: str, data: bytes) -> bool:
        """Create the object, exclusively, atomically and durably: it survives a power cut.

        Returns:
            True when this call created it. False means "look at what is there": it may be
            another writer's, or one's own after a lost reply.
        """

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """Create or replace the object, atomically and durably."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[Entry]:
        """Objects whose key starts with `prefix`, in any order; never on a hot path."""

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; keys without an object are ignored. Only collectors of garbage call it."""

    def turn(self) -> AbstractContextManager[bool]:
        """Keep other writers of the log waiting, where that is cheap; by default nobody waits.

        Returns:
            Entered, whether they wait. A record that `put_new` then creates is durable when the turn ends.
        """
        return nullcontext(False)

    def unfinished(self) -> Iterator[str]:
        """Which records killed writers have begun to write, one text each; by default there is no such thing.

        They are harmless: nobody was told that they are done, no verb sees them, and the next writer removes
        them.
        """
        return iter(())

    def sweep(self, before: float) -> int:
        """Remove what killed writers have left half written; by default there is no such thing.

        Args:
            before: Only what was last written to before this time (s, epoch).

        Returns:
            How many such objects there were.
        """
        del before
        return 0
