"""In which order tasks get their iterations, and what each of them sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from taskgrove.domain.ids import TaskName


class Schedule(StrEnum):
    """How the iterations of an experiment follow each other."""

    SEQUENTIAL = "sequential"
    """One task after the other, each with all that came before in its view (001, §2; 000, §4)."""
    ROUNDS = "rounds"
    """All tasks at once; none starts an iteration before all have ended the one before, and all of a
    round see the same (002)."""
    FREE = "free"
    """All tasks at once; each starts its next iteration with what is published by then (002)."""


def sequential(
    tasks: Sequence[TaskName], iterations: int, finished: Mapping[TaskName, int]
) -> Iterator[tuple[int, TaskName]]:
    """Rounds with their tasks, each round all tasks in order, as in muNet and µ2Net (001 §2; 000 §4).

    Args:
        tasks: In the order of a round.
        iterations: Asked for, per task.
        finished: Already done, per task; they are left out, so that a run that was interrupted
            goes on where it stood.
    """
    for iteration in range(iterations):
        for task in tasks:
            if finished.get(task, 0) <= iteration:
                yield iteration, task
