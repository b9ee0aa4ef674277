"""A seat: a thread that keeps one worker at work, and puts another in its place when it dies."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from taskgrove.coordinator.workers.answers import Done, Failed
from taskgrove.coordinator.workers.worker import Worker, WorkerDiedError
from taskgrove.domain.errors import EnvironmentFailure

TRIES = 3


@dataclass(frozen=True, slots=True)
class Call:
    """A pickled call and who waits for it."""

    data: bytes
    future: Future[Any]


class Seat:
    """Takes calls from a queue that it shares with other seats, until it takes a None.

    Args:
        number: Of the worker.
        calls: What is to be done.
        hear: Called with every message that a call tells.
    """

    def __init__(self, number: int, calls: SimpleQueue[Call | None], hear: Callable[[Any], object]) -> None:
        self._number = number
        self._calls = calls
        self._hear = hear
        self._worker: Worker | None = None
        self._left = False
        self._lock = Lock()
        self._thread = Thread(target=self._work, name=f"taskgrove-worker-{number}", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until it has taken its None."""
        self._thread.join()

    def leave(self) -> None:
        """Give up the call under way and start no worker any more."""
        with self._lock:
            self._left = True
            if self._worker is not None:
                self._worker.kill()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if call.future.set_running_or_notify_cancel():
                self._carry_out(call)
        self._dismiss()

    def _carry_out(self, call: Call) -> None:
        try:
            answer = self._answer(call.data)
        except BaseException as error:  # whatever it is, somebody waits for this future
            self._dismiss()
            call.future.set_exception(error)
        else:
            if isinstance(answer, Done):
                call.future.set_result(answer.result)
            else:
                call.future.set_exception(answer.error)

    def _answer(self, data: bytes) -> Done | Failed:
        for _ in range(TRIES):
            worker = self._seated()
            try:
                return worker.call(data, self._hear)
            except WorkerDiedError as died:
                self._worker = None
                exit_code = died.exit_code
        raise EnvironmentFailure(
            f"A job was given up: {TRIES} worker processes in a row ended while they worked on it, the last "
            f"with {_ended(exit_code)}. {_advice(exit_code)} The same command continues the run."
        )

    def _seated(self) -> Worker:
        with self._lock:
            if self._left:
                raise CancelledError
            if self._worker is None:
                self._worker = Worker(self._number)
            return self._worker

    def _dismiss(self) -> None:
        with self._lock:
            if self._worker is not None:
                self._worker.end()
            self._worker = None


def _ended(exit_code: int) -> str:
    name = f" ({signal.Signals(-exit_code).name})" if -exit_code in set(signal.Signals) else ""
    return f"exit code {exit_code}{name}"


def _advice(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "Probably the machine ran out of memory: use fewer workers, or a smaller train.batch_size."
    return 'What they said is on standard error; executor = "inline" shows the error in this process.'
