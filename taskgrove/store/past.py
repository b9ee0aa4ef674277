"""A storage as it was at an older commit: what came later is not seen, and nothing can be written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, NoReturn, final

from taskgrove.domain.errors import BadValueError, StorageAccessError
from taskgrove.store.base import AbstractBackend, Entry
from taskgrove.store.keys import record_number


@final
class PastBackend(AbstractBackend):
    """Hides the records after a commit; checkpoints and segments that they would prove are ignored with them.

    Args:
        present: The storage as it is.
        number: Of the last commit that is seen.
    """

    name: ClassVar[str] = "past"
    summary: ClassVar[str] = "a storage as it was at an older commit"

    def __init__(self, present: AbstractBackend, number: int) -> None:
        self.present = present
        self.number = number
        self.reads_at_once = present.reads_at_once

    @classmethod
    def at(cls, location: str) -> PastBackend:
        raise BadValueError(f"An older commit is looked at with --at, not with past:{location}.")

    def __str__(self) -> str:
        return f"{self.present} at commit {self.number}"

    def get(self, key: str) -> bytes | None:
        return self.present.get(key) if self._seen(key) else None

    def size(self, key: str) -> int | None:
        return self.present.size(key) if self._seen(key) else None

    def put_new(self, key: str, data: bytes) -> bool:
        self._refuse(key)

    def put(self, key: str, data: bytes) -> None:
        self._refuse(key)

    def list(self, prefix: str) -> Iterator[Entry]:
        return (entry for entry in self.present.list(prefix) if self._seen(entry.key))

    def delete(self, keys: Iterable[str]) -> None:
        self._refuse(", ".join(keys))

    def _seen(self, key: str) -> bool:
        number = record_number(key)
        return number is None or number <= self.number

    def _refuse(self, key: str) -> NoReturn:
        raise StorageAccessError(
            f"{key} cannot be changed in {self}: the past is only read. Open the system without a commit to "
            "change it, or fork it there."
        )
