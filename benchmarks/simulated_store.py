"""One log for many simulated agents: what a request costs, and who reads what when.

Every agent has a real `Store` on a storage that takes simulated time. Records are encoded, validated, created
exclusively and applied by the one that commits them; to all others the state is handed over, after the time
that reading, decoding and applying the records would have taken: states are values, so they are the same.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import ClassVar, final
from unittest.mock import patch

from benchmarks.simulated_clock import Clock
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import BlobId
from taskgrove.domain.records import BeginRound, Commit
from taskgrove.domain.view import SystemView
from taskgrove.store import log
from taskgrove.store.base import AbstractBackend, Entry
from taskgrove.store.blobs import Unreferenced, referenced_by, unreferenced
from taskgrove.store.in_use import InUse
from taskgrove.store.keys import LOG
from taskgrove.store.segments import THOUSAND
from taskgrove.store.state import State
from taskgrove.store.store import Store

TRAIN, EVALUATE, WAIT, READ, COMMIT, BLOBS = "train", "evaluate", "wait", "read", "commit", "blobs"
_STATES_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What requests cost.

    Attributes:
        name: For people.
        put_s, get_s: Of an object, until the reply is there.
        read_s: To decode and to apply a record.
        at_once: Records requested together; 1 for one after the other.
    """

    name: str
    put_s: float
    get_s: float
    read_s: float
    at_once: int = 1

    @property
    def said(self) -> str:
        """The costs in milliseconds."""
        costs = {"put": self.put_s, "get": self.get_s, "decode and apply a record": self.read_s}
        return ", ".join(f"{what} {1e3 * cost:.3g}" for what, cost in costs.items())


class Ledger:
    """The log with its newest states, shared by all agents of a simulation.

    Args:
        store: The system from which they begin; its backend holds the objects.
        storage: What requests cost.
        clock: Simulated time.
    """

    def __init__(self, store: Store, storage: Storage, clock: Clock) -> None:
        self.objects = store.backend
        self.storage = storage
        self.clock = clock
        found = [*log.read(store.backend, 0, "")]
        self._commits: list[Commit] = [commit for commit, _ in found]
        self._heads: list[str] = [head for _, head in found]
        self._newest: OrderedDict[int, State] = OrderedDict({store.state.view.number: store.state})
        self._rounds: dict[int, State] = {}
        self._blobs = {blob for commit in self._commits for blob in referenced_by(commit.operation)}
        self._here = threading.local()

    @property
    def num_commits(self) -> int:
        """Length of the log."""
        return len(self._commits)

    def enter(self, account: Counter[str]) -> None:
        """From now on the calling thread is an agent; its seconds are added up by what they are spent on."""
        self._here.account, self._here.waits = account, False

    def spend(self, what: str, seconds: float) -> None:
        """Let simulated time pass for the calling agent; what it reads while it waits counts as waiting."""
        self._here.waits = what == WAIT or (what == READ and self._here.waits)
        self._here.account[WAIT if self._here.waits else what] += seconds
        self.clock.sleep(seconds)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let all stores read the log from here."""
        with ExitStack() as stack:
            for name, ours in (
                ("read", self._read),
                ("follow", self._follow),
                ("replay", self._replay),
                ("advance", self._advance),
            ):
                stack.enter_context(patch.object(log, name, ours))
            stack.enter_context(patch.object(InUse, "unreferenced", self._unreferenced))
            yield

    def _read(self, _: AbstractBackend, start: int, __: str | None) -> Iterator[tuple[Commit, str]]:
        """The newest commit alone, when there is any after `start`: its state says all that came before."""
        last = start - 1
        for number in self._read_numbers(start):
            last = number
        if last >= start:
            last = max(last, next(iter(self._newest)))
            yield self._commits[last], self._heads[last]

    def _follow(
        self, _: AbstractBackend, start: int, __: str | None, ___: int = THOUSAND
    ) -> Iterator[tuple[Commit, str]]:
        self.spend(READ, self.storage.get_s)  # a segment, which is hardly ever there yet
        for number in self._read_numbers(start):
            yield self._commits[number], self._heads[number]

    def _replay(self, _: AbstractBackend, number: int, thousand: int = THOUSAND) -> State:
        self.spend(READ, 2 * self.storage.get_s)  # a checkpoint, a segment
        left = self._read_numbers(number - number % thousand)
        while next(left, number) < number:
            pass
        return self._rounds[number] if number in self._rounds else self._replayed(number, thousand)

    def _replayed(self, number: int, thousand: int) -> State:
        with ExitStack() as stack:
            for name, real in _REAL.items():
                stack.enter_context(patch.object(log, name, real))
            return log.replay(self.objects, number, thousand)

    def _advance(self, state: State, commit: Commit, head: str, _: Unreferenced = unreferenced) -> State:
        number = commit.number
        if number not in self._newest:
            self._newest[number] = _REAL["advance"](state, commit, head)
            self._commits.append(commit)
            self._heads.append(head)
            self._blobs |= referenced_by(commit.operation)
            if isinstance(commit.operation, BeginRound):
                self._rounds[number] = self._newest[number]
            if len(self._newest) > _STATES_KEPT:
                self._newest.popitem(last=False)
        return self._newest[number]

    def _unreferenced(self, _: SystemView, blobs: frozenset[BlobId]) -> frozenset[BlobId]:
        """Without a search in all live models: nothing that was committed here is ever put again."""
        return blobs - self._blobs

    def _read_numbers(self, start: int) -> Iterator[int]:
        """Numbers of records, as the requests for them are answered: one at first, then several at once."""
        storage, batch, owed_s = self.storage, 1, 0.0
        while True:
            self.spend(READ, storage.get_s + owed_s)
            there = len(self._commits) - start
            found = min(batch, there) if storage.at_once > 1 else there
            owed_s = found * storage.read_s + (0 if storage.at_once > 1 else found * storage.get_s)
            yield from range(start, start + found)
            if found < batch:
                self.spend(READ, owed_s)
                return
            start, batch = start + found, min(4 * batch, storage.at_once)


_REAL = {name: vars(log)[name] for name in ("read", "follow", "replay", "advance")}


@final
class SlowBackend(AbstractBackend):
    """One agent's way to the shared objects: every request takes its time.

    Args:
        ledger: Whose objects.
    """

    name: ClassVar[str] = "slow"
    summary: ClassVar[str] = "objects in memory behind a simulated network or disk"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.lost = 0
        """Attempts to create a record that another had created before."""

    @classmethod
    def at(cls, location: str) -> SlowBackend:
        raise BadValueError(f"Simulations are made in Python, not read from {location!r}.")

    def get(self, key: str) -> bytes | None:
        storage = self._ledger.storage
        self._ledger.spend(READ, storage.get_s / storage.at_once)
        return self._ledger.objects.get(key)

    def size(self, key: str) -> int | None:
        self._ledger.spend(READ, self._ledger.storage.get_s)
        return self._ledger.objects.size(key)

    def put_new(self, key: str, data: bytes) -> bool:
        self._ledger.spend(COMMIT, self._ledger.storage.put_s)
        created = self._ledger.objects.put_new(key, data)
        self.lost += key.startswith(LOG) and not created
        return created

    def put(self, key: str, data: bytes) -> None:
        self._ledger.spend(BLOBS, self._ledger.storage.put_s)
        self._ledger.objects.put(key, data)

    def list(self, prefix: str) -> Iterator[Entry]:
        self._ledger.spend(READ, self._ledger.storage.get_s)
        return self._ledger.objects.list(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        self._ledger.objects.delete(keys)
