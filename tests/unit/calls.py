"""Calls for workers to carry out; in a module that loads nothing heavy, since each worker imports it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from taskgrove.coordinator.executors.processes import ProcessesExecutor
from taskgrove.coordinator.workers.post import post

PATIENCE_S = 60.0


class AwkwardError(Exception):
    """An error that cannot be made again from its pickle."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} in {where}")


def pid() -> int:
    return os.getpid()


def number() -> int | None:
    place = post()
    return None if place is None else place.number


def thread() -> int:
    return threading.get_ident()


def meet(mine: Path, other: Path) -> bool:
    """Whether somebody else who does the same the other way round is at work at the same time."""
    mine.touch()
    return exists(other)


def alone() -> bool:
    """Whether nobody else in this process does the same meanwhile."""
    before = os.environ.setdefault("TASKGROVE_TEST_ALONE", "0")
    os.environ["TASKGROVE_TEST_ALONE"] = mine = str(int(before) + 1)
    time.sleep(0.01)
    return os.environ["TASKGROVE_TEST_ALONE"] == mine


def exists(path: Path) -> bool:
    """Wait for a file."""
    end = time.monotonic() + PATIENCE_S
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.005)
    return path.exists()


def die(exit_code: int) -> None:
    """End this process, by a signal when the exit code is negative."""
    if exit_code >= 0:
        os._exit(exit_code)
    os.kill(os.getpid(), -exit_code)
    time.sleep(PATIENCE_S)


def die_at_first(times: int, count: Path) -> int:
    """Be killed so often, then return; the file counts the deaths."""
    deaths = len(count.read_text()) if count.exists() else 0
    if deaths < times:
        count.write_text("x" * (deaths + 1))
        die(-signal.SIGKILL)
    return deaths


def fail(error: Exception) -> None:
    raise error


def fail_awkwardly() -> None:
    raise AwkwardError("a fault", "a worker")


def give_what_cannot_travel() -> object:
    return lambda: None


def tell(messages: list[object]) -> int:
    place = post()
    assert place is not None
    for message in messages:
        place.tell(message)
    return len(messages)


def tell_what_cannot_travel() -> int:
    return tell([give_what_cannot_travel()])


def hold() -> None:
    """Tell the process's id, and then do not end."""
    tell([os.getpid()])
    time.sleep(PATIENCE_S)


def interrupt_oneself() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


def chatter() -> None:
    print("a word from a plug-in", flush=True)


def main() -> None:
    """Have two workers hold, and say who they are."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with ProcessesExecutor(2, lambda message: print(message, flush=True)) as executor:
        for future in [executor.submit(hold) for _ in range(4)]:
            future.result()
