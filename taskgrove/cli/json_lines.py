"""The growth of a system for programs: one JSON object per line and event."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from threading import Lock
from types import TracebackType
from typing import TextIO, final

from taskgrove.cli.display import AbstractDisplay
from taskgrove.cli.pace import Pace
from taskgrove.coordinator.base import Event
from taskgrove.trainer.base import Tick


@final
class JsonLines(AbstractDisplay):
    """Every event with its time, what it is, and its fields; see `coordinator.base.Event`.

    A finished train cycle is the event `cycle`, files that are being read are `reading`.

    Args:
        stream: Where to write.
        clock: Seconds since the epoch.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._clock = clock
        self._pace = Pace(clock)
        self._lock = Lock()

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def observe(self, event: Event) -> None:
        self._pace.hear(event)
        values = asdict(event)
        self.tell(values.pop("stage"), {**values, "eta_s": self._pace.left_s(event)})

    def watch(self, tick: Tick) -> None:
        self.tell("cycle", asdict(tick))

    def read(self, what: str, done: int, total: int) -> None:
        self.tell("reading", {"what": what, "done": done, "total": total})

    def tell(self, event: str, values: Mapping[str, object]) -> None:
        """Write one line."""
        line = json.dumps({"time": self._clock(), "event": event, **values}, default=str)
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()
