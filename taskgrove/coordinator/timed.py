"""Measures jobs where they run: by the wall and by the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

from taskgrove.domain.jobs import Completed

J = TypeVar("J")
R = TypeVar("R")
Clock = Callable[[], float]
"""Seconds that a device has been busy, from any start; differences count."""
Seconds = Mapping[str, float]
"""Durations by phase, as commits record them."""


@dataclass(frozen=True, slots=True)
class Timed:
    """The outcome of a job and how long it took; None when it was read from the log."""

    completed: Completed
    seconds: Seconds | None


def timed(phase: str, clock: Clock, fn: Callable[[J], R], job: J) -> tuple[R, Seconds]:
    """Call `fn(job)`; besides its result, the wall time as `phase` and the device's time as `device`."""
    wall, device = perf_counter(), clock()
    result = fn(job)
    return result, {phase: perf_counter() - wall, "device": clock() - device}
