"""A backend that fails on purpose: lost replies, false conflicts, servers in trouble and sudden death."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from random import Random
from typing import ClassVar, final

from taskgrove.domain.errors import BadValueError, EnvironmentFailure, StorageFullError
from taskgrove.store.base import AbstractBackend, Entry


class Killed(BaseException):
    """The process is dead; no handler of ordinary errors may catch it."""


class Fault(Enum):
    """What goes wrong with one call."""

    LOST_REPLY = auto()
    """`put_new` creates the object and answers False, like a client that repeats a request."""
    FALSE_EXISTS = auto()
    """`put_new` does nothing and answers False, like S3's 409."""
    OVERWRITE = auto()
    """`put_new` replaces what is there and answers True, like servers that ignore `If-None-Match`."""
    DISK_FULL = auto()
    """`put_new` and `put` do nothing and raise StorageFullError."""
    ERROR_BEFORE = auto()
    """The call is not made and raises EnvironmentFailure, like a server that answers 503."""
    ERROR_AFTER = auto()
    """The call is made and raises EnvironmentFailure, like a connection that breaks before the reply."""
    SLOW = auto()
    """The call is made after a pause."""
    TORN_READ = auto()
    """`get` returns the first half of the object."""
    DEATH_BEFORE = auto()
    """The call is not made; this and every later one raises Killed."""
    DEATH_AFTER = auto()
    """The call is made, then the process dies."""


Plan = Callable[[int, str], Fault | None]
"""(number of calls before, name of the verb) → what goes wrong."""


def at(call: int, fault: Fault) -> Plan:
    """The fault happens at one call, counted from 0."""
    return lambda number, _: fault if number == call else None


def always(fault: Fault, verb: str = "put_new") -> Plan:
    """The fault happens at every call of one verb."""
    return lambda _, called: fault if called == verb else None


def at_random(
    seed: int,
    lost_replies: float = 0.0,
    false_exists: float = 0.0,
    *,
    errors: float = 0.0,
    slow: float = 0.0,
    torn_reads: float = 0.0,
) -> Plan:
    """Faults with these probabilities per call, at most one in a call.

    Args:
        seed: The same seed and calls give the same faults.
        lost_replies: Of `put_new`.
        false_exists: Of `put_new`.
        errors: Of every verb, half of them before and half of them after the work.
        slow: Of every verb.
        torn_reads: Of `get`.
    """
    random = Random(seed)
    of_any = {Fault.ERROR_BEFORE: errors / 2, Fault.ERROR_AFTER: errors / 2, Fault.SLOW: slow}
    of_verb = {
        "put_new": {Fault.LOST_REPLY: lost_replies, Fault.FALSE_EXISTS: false_exists},
        "get": {Fault.TORN_READ: torn_reads},
    }

    def plan(_: int, verb: str) -> Fault | None:
        chances = {**of_verb.get(verb, {}), **of_any}
        drawn = random.random() if any(chances.values()) else 1.0
        for fault, chance in chances.items():
            if drawn < chance:
                return fault
            drawn -= chance
        return None

    return plan


@final
class FaultyBackend(AbstractBackend):
    """Passes calls on to another backend, except where the plan says otherwise.

    Args:
        inner: Does the work.
        plan: Asked at every call.
        pause_s: How long a slow call waits, in seconds.
        sleep: Waits.
    """

    name: ClassVar[str] = "faulty"
    summary: ClassVar[str] = "another backend with faults, for tests"

    def __init__(
        self,
        inner: AbstractBackend,
        plan: Plan,
        *,
        pause_s: float = 0.05,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.inner = inner
        self.plan = plan
        self.pause_s = pause_s
        self.sleep = sleep
        self.num_calls = 0
        self.dead = False

    @classmethod
    def at(cls, location: str) -> FaultyBackend:
        raise BadValueError(f"Faults are planned in Python, not read from {location!r}.")

    def get(self, key: str) -> bytes | None:
        fault = self._before("get")
        data = self.inner.get(key)
        self._after(fault)
        return data[: len(data) // 2] if data is not None and fault is Fault.TORN_READ else data

    def size(self, key: str) -> int | None:
        fault = self._before("size")
        size = self.inner.size(key)
        self._after(fault)
        return size

    def put_new(self, key: str, data: bytes) -> bool:
        fault = self._before("put_new")
        if fault is Fault.FALSE_EXISTS:
            return False
        if fault is Fault.OVERWRITE:
            self.inner.put(key, data)
            return True
        created = self.inner.put_new(key, data)
        self._after(fault)
        return created and fault is not Fault.LOST_REPLY

    def put(self, key: str, data: bytes) -> None:
        fault = self._before("put")
        self.inner.put(key, data)
        self._after(fault)

    def list(self, prefix: str) -> Iterator[Entry]:
        fault = self._before("list")
        entries = [*self.inner.list(prefix)]
        self._after(fault)
        return iter(entries)

    def delete(self, keys: Iterable[str]) -> None:
        fault = self._before("delete")
        self.inner.delete(keys)
        self._after(fault)

    def _before(self, verb: str) -> Fault | None:
        if self.dead:
            raise Killed
        fault = self.plan(self.num_calls, verb)
        self.num_calls += 1
        if fault is Fault.DEATH_BEFORE:
            self._die()
        if fault is Fault.SLOW:
            self.sleep(self.pause_s)
        if fault is Fault.ERROR_BEFORE:
            raise EnvironmentFailure(f"Could not {verb}: the server is in trouble (a planned fault).")
        if fault is Fault.DISK_FULL and verb in ("put", "put_new"):
            raise StorageFullError("Could not write: no space is left (a planned fault).")
        return fault

    def _after(self, fault: Fault | None) -> None:
        if fault is Fault.DEATH_AFTER:
            self._die()
        if fault is Fault.ERROR_AFTER:
            raise EnvironmentFailure("The connection broke before the reply came (a planned fault).")

    def _die(self) -> None:
        self.dead = True
        raise Killed
