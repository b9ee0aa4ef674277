"""When a run will end, judged by what its children have taken so far."""

from __future__ import annotations

from collections.abc import Callable

from taskgrove.coordinator.base import Event, Stage
from taskgrove.domain.ids import TaskName


class Pace:
    """Estimates the time that is left from the mean time per child, whatever the number of workers.

    Where several tasks are under way at once and all have ended, a round is over, and from then on only
    whole rounds count: within one, children come fast at first and slowly at its end, when workers have
    to wait for the last task.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: float | None = None
        self._trained = 0
        self._active: set[TaskName] = set()
        self._together = False
        self._round: tuple[float, int] | None = None
        """When the last round ended, and how many children had been trained by then."""

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        if self._began is None:
            self._began = self._clock()
        if event.stage is Stage.CHILD and not event.recovered:
            self._trained += 1
        elif event.stage is Stage.BEGUN:
            if self._together and self._trained and not self._active:
                self._round = self._clock(), self._trained
            self._active.add(event.task)
            self._together = self._together or len(self._active) > 1
        elif event.stage is Stage.ENDED:
            self._active.discard(event.task)

    def left_s(self, event: Event) -> float | None:
        """Seconds until all children of the run are trained; None before the first one is.

        Args:
            event: The newest; says how many children are left.
        """
        if self._began is None or not self._trained:
            return None
        if event.done >= event.total:
            return 0.0
        now = self._clock()
        time, trained = self._round or (now, self._trained)
        each = (time - self._began) / trained
        left = event.total - event.done + self._trained - trained
        return max(0.0, each * left - (now - time))
