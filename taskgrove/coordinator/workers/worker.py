"""A worker as the process that started it sees it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import Any

from taskgrove.coordinator.workers.answers import Done, Failed, Told
from taskgrove.domain.errors import EnvironmentFailure

_END_S = 5.0


class WorkerDiedError(Exception):
    """The process ended in the middle of a call.

    Args:
        exit_code: Negative when a signal ended it.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"exit code {exit_code}")
        self.exit_code = exit_code


class Worker:
    """A process that carries out one call at a time; not safe for several threads, `kill` aside.

    It is a new interpreter, never a fork, and does not load the main module again: a script needs no
    `if __name__ == "__main__"` around what it runs, and what it defines itself cannot be called.

    Args:
        number: Of the worker; see `Post`.

    Raises:
        EnvironmentFailure: No process can be started.
    """

    def __init__(self, number: int) -> None:
        self._connection, theirs = Pipe()
        module = "taskgrove.coordinator.workers.process"
        command = [sys.executable, "-P", "-m", module, str(theirs.fileno()), str(number)]
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
        with theirs:
            try:
                self._process = Popen(
                    command,
                    stdin=DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, "PYTHONPATH": path},
                    start_new_session=True,  # Ctrl-C reaches only who started it
                )
            except OSError as error:
                self._connection.close()
                raise EnvironmentFailure(
                    f"Could not start a worker process ({error.strerror}). The machine may be short of "
                    "memory or processes; use fewer workers."
                ) from error

    def call(self, call: bytes, hear: Callable[[Any], object]) -> Done | Failed:
        """Have a pickled call carried out.

        Args:
            call: See `answers.answer`.
            hear: Called with every message that it tells.

        Raises:
            WorkerDiedError: The process has ended instead.
        """
        try:
            self._connection.send_bytes(call)
        except OSError:
            raise self._died() from None
        while isinstance(answer := self._next(), Told):
            hear(answer.message)
        return answer

    def end(self) -> None:
        """End the process, which is idle or not wanted any more, and wait for it."""
        self.kill()
        self._process.wait()
        self._connection.close()

    def kill(self) -> None:
        """End the process, whatever it does; a call under way raises `WorkerDiedError`."""
        self._process.kill()

    def _next(self) -> Told | Done | Failed:
        try:
            received: Told | Done | Failed = self._connection.recv()
        except (EOFError, OSError):
            raise self._died() from None
        return received

    def _died(self) -> WorkerDiedError:
        # It may have closed its socket and yet live on.
        with suppress(TimeoutExpired):
            self._process.wait(_END_S)
        self.end()
        return WorkerDiedError(self._process.returncode)
