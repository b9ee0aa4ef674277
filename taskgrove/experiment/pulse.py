"""Keeps the note of life of a working process fresh; see `store.presence`."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import final

import msgspec

from taskgrove.coordinator.base import Event, Observe, Stage
from taskgrove.coordinator.loop import Run
from taskgrove.domain.errors import EnvironmentFailure
from taskgrove.store.base import AbstractBackend
from taskgrove.store.presence import EVERY_S, Presence, note_key, present

_FORGOTTEN_AFTER_S = 7 * 24 * 3600.0


def new_holder() -> str:
    """Who this process is, in claims and notes; another one at every call."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@final
class Pulse:
    """Renews a note in a thread of its own while the block lasts; a storage that fails only misses notes.

    Args:
        backend: Of the store.
        note: The first one.
        clock: Seconds since the epoch.
        every_s: Between renewals.
    """

    def __init__(
        self,
        backend: AbstractBackend,
        note: Presence,
        clock: Callable[[], float] = time.time,
        every_s: float = EVERY_S,
    ) -> None:
        self._backend = backend
        self._note = note
        self._clock = clock
        self._every_s = every_s
        self._key = note_key(note)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> Pulse:
        self._forget_the_dead()
        self._write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        with suppress(EnvironmentFailure):
            self._backend.delete([self._key])

    def observe(self, event: Event) -> None:
        """Take note of what the coordinator does."""
        trained = event.stage is Stage.CHILD and not event.recovered
        doing = f"{event.task} iteration {event.iteration}: {event.stage}"
        self._note = msgspec.structs.replace(self._note, children=self._note.children + trained, doing=doing)

    def _forget_the_dead(self) -> None:
        """Remove the notes of agents that were killed long ago."""
        oldest = self._clock() - _FORGOTTEN_AFTER_S
        with suppress(EnvironmentFailure):
            dead = [note_key(note) for note in present(self._backend) if note.seen < oldest]
            if dead:
                self._backend.delete(dead)

    def _beat(self) -> None:
        while not self._over.wait(self._every_s):
            self._write()

    def _write(self) -> None:
        note = msgspec.structs.replace(self._note, seen=self._clock())
        with suppress(EnvironmentFailure):
            self._backend.put(self._key, msgspec.json.encode(note))


def note_of(holder: str, run: Run, method: str, device: str, now: float) -> Presence:
    """The first note of an agent that begins now."""
    return Presence(
        holder=holder,
        tasks=run.start.tasks if run.mine is None else run.mine,
        experiment=run.start.experiment,
        method=method,
        device=device,
        claims=bool(run.holder),
        began=now,
        seen=now,
    )


def both(first: Observe, second: Observe) -> Observe:
    """An observer that tells two others."""

    def observe(event: Event) -> None:
        first(event)
        second(event)

    return observe
