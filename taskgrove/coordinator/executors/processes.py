"""Jobs side by side in processes of their own."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, ParamSpec, TypeVar, final

from taskgrove.coordinator.base import UNSAID, AbstractExecutor, Hear, Resources
from taskgrove.coordinator.workers.seat import Call, Seat

P = ParamSpec("P")
R = TypeVar("R")


@final
class ProcessesExecutor(AbstractExecutor):
    """Keeps processes at work that stay warm between jobs; each is started for its first job.

    A worker that dies (killed, out of memory) is replaced, and its job is tried again, twice at most.
    Workers end with the process that started them, however it ends.

    Args:
        workers: Jobs that run at the same time; 0 for as many as the machine has cores.
        hear: Called with what jobs tell, by other threads than the submitting one, but one at a time.
    """

    name = "processes"
    summary = "jobs side by side in processes of this machine"
    parallel = True

    def __init__(self, workers: int = 0, hear: Hear = lambda _: None) -> None:
        talk = Lock()

        def hear_alone(message: Any) -> None:
            with talk:
                hear(message)

        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        places = range(workers or os.cpu_count() or 1)
        self.backlog = 2 * len(places)
        self._seats = [Seat(number, self._calls, hear_alone) for number in places]

    @classmethod
    def open(cls, workers: int, hear: Hear, resources: Resources = UNSAID) -> ProcessesExecutor:
        resources.check_here(cls.name)
        return cls(workers, hear)

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[Any] = Future()
        try:
            data = pickle.dumps((fn, args, kwargs))
        except Exception as error:
            future.set_exception(error)
        else:
            self._calls.put(Call(data, future))
        return future

    def shutdown(self) -> None:
        for _ in self._seats:
            self._calls.put(None)
        for seat in self._seats:
            seat.join()

    def abandon(self) -> None:
        with suppress(Empty):
            while True:
                if (call := self._calls.get_nowait()) is not None:
                    call.future.cancel()
        for seat in self._seats:
            seat.leave()
        self.shutdown()
