"""Measures jobs where they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

from taskgrove.coordinator.workers.post import post
from taskgrove.domain.jobs import Completed

J = TypeVar("J")
R = TypeVar("R")
Readings = Mapping[str, float]
"""Totals by name, from any start; differences count."""


@dataclass(frozen=True, slots=True)
class Metered:
    """The outcome of a job and what it took; None when it was read from the log."""

    completed: Completed
    meters: Readings | None


def metered(phase: str, meters: Callable[[], Readings], fn: Callable[[J], R], job: J) -> tuple[R, Readings]:
    """Call `fn(job)`; besides its result, the wall time as `<phase>_s` and how far the meters went on.

    A worker also counts its own time, as `worker_<number>_s`, so that the log tells how busy each one was.
    """
    before, start = meters(), perf_counter()
    result = fn(job)
    wall_s = perf_counter() - start
    passed = {name: total - before.get(name, 0.0) for name, total in meters().items()}
    own = {} if (place := post()) is None else {f"worker_{place.number}_s": wall_s}
    return result, {f"{phase}_s": wall_s, **own, **{name: value for name, value in passed.items() if value}}
