"""A worker in a process that something else has started and watches over, such as an actor of a cluster."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from taskgrove.coordinator.workers.answers import Told, answer
from taskgrove.coordinator.workers.post import Post, take


class Guest:
    """Carries out one call at a time, always in the same thread, and gives out what the call tells.

    Args:
        number: Of the worker.
    """

    def __init__(self, number: int) -> None:
        sys.stdout = sys.stderr  # what a plug-in prints does not mix with what the starting process prints
        self._said: SimpleQueue[bytes | None] = SimpleQueue()
        post = Post(number=number, tell=lambda message: self._said.put(pickle.dumps(Told(message))))
        self._thread = ThreadPoolExecutor(1, initializer=take, initargs=(post,))

    def ready(self) -> None:
        """Return once calls can be taken."""

    def call(self, data: bytes) -> Iterator[bytes]:
        """What a pickled call tells, then what became of it; see `answers`."""
        ended = self._thread.submit(answer, data)
        ended.add_done_callback(lambda _: self._said.put(None))
        while (said := self._said.get()) is not None:
            yield said
        yield ended.result()
