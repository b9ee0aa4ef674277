"""What the commands that grow a system tell of its growth, whoever listens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from taskgrove.coordinator.base import Event
from taskgrove.trainer.base import Tick


class AbstractDisplay(ABC):
    """Shows a run while the block lasts; `watch` is called by other threads than `observe`."""

    @abstractmethod
    def observe(self, event: Event) -> None:
        """Show what the coordinator has just done."""

    @abstractmethod
    def watch(self, tick: Tick) -> None:
        """Show a finished train cycle."""

    @abstractmethod
    def read(self, what: str, done: int, total: int) -> None:
        """Show how far the reading of a task's files has come."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...
