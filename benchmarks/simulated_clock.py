"""Simulated time for code that sleeps: threads that take turns, each waking when its time has come."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from itertools import count


class Clock:
    """Runs functions side by side in simulated time, one thread at a time, always in the same order.

    Attributes:
        now: Simulated seconds.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self._sleeping: list[tuple[float, int, threading.Lock]] = []
        self._over = threading.Event()
        self._errors: list[BaseException] = []

    def sleep(self, seconds: float) -> None:
        """Let the others run until the calling thread's time has come; nothing at all when seconds are 0."""
        if seconds <= 0:
            return
        if not self._sleeping or self.now + seconds < self._sleeping[0][0]:
            self.now += seconds  # nobody wakes before
            return
        turn = self._turn(self.now + seconds)
        self._wake_next()
        turn.acquire()

    def run(self, lives: Sequence[Callable[[], None]]) -> float:
        """Carry out functions that call `sleep`; returns when, in simulated time, the last one ended.

        Args:
            lives: Each runs in a thread of its own, from the present moment on.
        """
        self._over.clear()
        for life in lives:
            turn = self._turn(self.now)
            threading.Thread(target=self._live, args=(turn, life), daemon=True).start()
        self._wake_next()
        self._over.wait()
        if self._errors:
            raise self._errors[0]
        return self.now

    def _turn(self, time: float) -> threading.Lock:
        turn = threading.Lock()
        turn.acquire()
        heapq.heappush(self._sleeping, (time, next(self._order), turn))
        return turn

    def _live(self, turn: threading.Lock, life: Callable[[], None]) -> None:
        turn.acquire()
        try:
            life()
        except BaseException as error:  # whatever it is, the main thread tells it
            self._errors.append(error)
        if self._sleeping and not self._errors:
            self._wake_next()
        else:
            self._over.set()

    def _wake_next(self) -> None:
        self.now, _, turn = heapq.heappop(self._sleeping)
        turn.release()
