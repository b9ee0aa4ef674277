"""A worker: `python -m taskgrove.coordinator.workers.process FD NUMBER`, with a socket to who started it.

It reads one pickled call after the other and answers each. It ends when the socket does, in the middle
of a call, too: so no worker outlives the process that started it, however that one dies.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import redirect_stdout, suppress
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Any

from taskgrove.coordinator.workers.answers import Told, answer
from taskgrove.coordinator.workers.post import Post, take


def main(fd: int, number: int) -> None:
    """Carry out what arrives at a socket until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it decides what is given up
    connection: Connection[Any, Any] = Connection(fd)
    calls: SimpleQueue[bytes] = SimpleQueue()
    Thread(target=_receive, args=(connection, calls), daemon=True).start()
    take(Post(number=number, tell=lambda message: connection.send(Told(message))))
    # What a plug-in prints does not mix with what the starting process prints.
    with redirect_stdout(sys.stderr), suppress(BrokenPipeError, ConnectionResetError):
        while True:
            connection.send_bytes(answer(calls.get()))


def _receive(connection: Connection[Any, Any], calls: SimpleQueue[bytes]) -> None:
    try:
        while True:
            calls.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
