"""Whole programs that take turns on one machine: each runs for a slice of time while the others are stopped.

So a slow minute of the machine falls upon all of them, however long they are. Linux only.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

Program = Callable[[], Callable[[], Any]]
"""Prepares itself, and returns what is measured. It can be pickled, and so can what that returns."""


@dataclass(slots=True)
class Told:
    """What became of a program.

    Attributes:
        slices: When it ran, in seconds of `perf_counter`, which is the same for all processes.
        value: What it returned.
    """

    slices: list[tuple[float, float]] = field(default_factory=list)
    value: Any = None

    @property
    def seconds(self) -> float:
        """For which it ran."""
        return sum(end - start for start, end in self.slices)

    def running(self, start: float, end: float) -> float:
        """For how much of a span of time it ran."""
        return sum(max(0.0, min(end, last) - max(start, first)) for first, last in self.slices)


class ProgramFailedError(RuntimeError):
    """A program ended without a result; what it said is on standard error."""


def in_slices(programs: Mapping[str, Program], lengths: Mapping[str, float]) -> dict[str, Told]:
    """Carry out programs, each in a process of its own, in slices.

    Args:
        programs: By name, in the order of their turns.
        lengths: Seconds of their slices: in the proportions of what they probably take, so that they end
            together.
    """
    stages: dict[str, Stage] = {}
    try:
        for name, program in programs.items():
            stages[name] = Stage(program)
        waiting = list(stages.values())
        while waiting:
            for name, stage in stages.items():
                if stage in waiting and stage.go_on(lengths[name]):
                    waiting.remove(stage)
    finally:
        for stage in stages.values():
            stage.end()
    return {name: stage.told for name, stage in stages.items()}


class Stage:
    """A program in its process, prepared, with all that it starts itself.

    Args:
        program: To carry out.
    """

    def __init__(self, program: Program) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_perform, args=(theirs, program))
        self._process.start()
        theirs.close()
        self._take()
        self._begun = False
        self.told = Told()

    def go_on(self, seconds: float) -> bool:
        """Let it run for so long; whether it has come to its end."""
        start = perf_counter()
        if self._begun:
            self._signal(signal.SIGCONT)
        else:
            self._connection.send("go")
            self._begun = True
        ended = self._connection.poll(seconds)
        if not ended:
            self._signal(signal.SIGSTOP)
        self.told.slices.append((start, perf_counter()))
        if ended:
            self.told.value = self._take()
        return ended

    def end(self) -> None:
        """End it, whatever it does."""
        if self._process.is_alive():
            self._signal(signal.SIGSTOP)  # so that it starts no other while they are ended
            self._signal(signal.SIGKILL)
        self._process.join()
        self._connection.close()

    def _take(self) -> Any:
        try:
            return self._connection.recv()
        except EOFError:
            self._process.join()
            raise ProgramFailedError(f"A program ended with {self._process.exitcode}.") from None

    def _signal(self, number: signal.Signals) -> None:
        """Of the process and what it has started, from the first one on: a stopped one starts no others."""
        assert self._process.pid is not None
        reached = [self._process.pid]
        for pid in reached:
            started = _children(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            reached += _children(pid) if number == signal.SIGSTOP else started


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            after_name = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(after_name[1]) == pid:
                found.append(int(path.parent.name))
    return found


def _perform(orders: Connection, program: Program) -> None:
    act = program()
    orders.send("ready")
    orders.recv()
    orders.send(act())
