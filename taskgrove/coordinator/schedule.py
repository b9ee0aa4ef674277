"""In which order tasks get their iterations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from taskgrove.domain.ids import TaskName


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
