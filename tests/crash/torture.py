"""`kill -9` torture: writers of one store are killed at random and started again; then all is counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from taskgrove.domain.ids import CommitId
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.collect import collect
from taskgrove.store.upkeep.retention import Retention
from taskgrove.testing.scripts import add_root, add_task, play
from taskgrove.testing.scripts import start as start_experiment
from tests.crash.torture_server import KillableServer
from tests.crash.torture_writer import COLLECTS, acked_in, backend_of, digest_of, main
from tests.forked import kill, start

_LOOK_S = 0.002
_ENDLESS = 10**9
_UNPREPARED = 0.1
"""Share of the kills that may come while a writer still starts."""
_WITHOUT_SERVER_S = 1.0
_COLLECTOR = 8.0
"""A writer that also collects lives so much longer: a collection reads the whole log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done to the writers.

    Attributes:
        kills: Of writers, all together.
        writers: At the same time; the first also collects garbage, without grace.
        longest_s: How long a writer may write before it is killed (s); how long it does is drawn.
        server_kills: Of the server, at equal distances.
        seed: Of all draws.
    """

    kills: int
    writers: int = 3
    longest_s: float = 0.5
    server_kills: int = 0
    seed: int = 2026


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found afterwards.

    Attributes:
        kills, server_kills: Of writers and of the server.
        seconds: Until the last kill.
        acked: Commits that a writer was told are done.
        commits: In the log.
        lost: Acknowledged commits that are not in the log, or not as they were acknowledged.
        duplicated: Ids that are in the log more than once.
        problems: Of the store after a deep check: dangling references among them.
        orphans: Blobs that nothing refers to; `orphans_left` after a last collection.
        strays: Temporary files and probes of killed processes.
        remarks: What writers noticed: kinds of errors after which they tried again, collections, blobs that
            were collected before their commit and put again.
        died: What writers said that ended by themselves; none should.
    """

    kills: int
    server_kills: int
    seconds: float
    acked: int
    commits: int
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    problems: tuple[str, ...]
    orphans: int
    orphans_left: int
    strays: int
    remarks: Mapping[str, int]
    died: tuple[str, ...]


class Slot:
    """The place of a writer, taken by one process after the other.

    Args:
        place: Of the store.
        name: Of the writer.
        folder: Where its notes are.
        collects: Whether it also collects garbage.
        longest_s: How long a process may write (s).
        random: Draws how long it does.
    """

    def __init__(
        self, place: str, name: str, folder: Path, *, collects: bool, longest_s: float, random: Random
    ) -> None:
        self._words = (place, name, str(folder), *((COLLECTS,) if collects else ()))
        self._longest_s = longest_s
        self._said = folder / f"{name}.said"
        self._noted = folder / f"{name}.acked"
        self._random = random
        self.died: list[str] = []
        self._start()

    def _start(self) -> None:
        self._said.unlink(missing_ok=True)
        self._process = start(main, *self._words, out=self._said)
        self._size = self._noted_bytes()
        self._unprepared = self._random.random() < _UNPREPARED
        self._ends: float | None = None

    def turn(self) -> bool:
        """Kill the process and start the next one if its time has come; True if it has."""
        now = time.monotonic()
        if not self._process.is_alive():
            self.died.append(self._said.read_text(encoding="utf-8"))
            self._start()
        if self._ends is None:
            if self._unprepared or self._noted_bytes() > self._size:
                self._ends = now + self._random.uniform(0, self._longest_s)
            return False
        if now < self._ends:
            return False
        self.kill()
        self._start()
        return True

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        kill(self._process)

    def _noted_bytes(self) -> int:
        return self._noted.stat().st_size if self._noted.exists() else 0


def torture(place: str, folder: Path, plan: Plan, server: KillableServer | None = None) -> Verdict:
    """Have writers killed, then judge what they leave.

    Args:
        place: Of a store that does not exist yet.
        folder: For notes; empty.
        plan: How often.
        server: To be killed too.
    """
    names = [f"writer-{number}" for number in range(plan.writers)]
    root, _ = add_root()
    tasks = [add_task(name, f"data of {name}".encode()) for name in names]
    play(Store.create(backend_of(place)), [root, *tasks, start_experiment(names, _ENDLESS)])
    began = time.monotonic()
    with _slots(place, names, folder, plan) as slots:
        _kill(slots, plan, server)
        seconds = time.monotonic() - began
    died = tuple(text for slot in slots for text in slot.died)
    return judge(place, folder, names, plan, seconds, died)


@contextmanager
def _slots(place: str, names: list[str], folder: Path, plan: Plan) -> Iterator[list[Slot]]:
    slots: list[Slot] = []
    try:
        for number, name in enumerate(names):
            collects, random = number == 0, Random(f"{plan.seed} {name}")
            longest_s = plan.longest_s * (_COLLECTOR if collects else 1)
            slots.append(Slot(place, name, folder, collects=collects, longest_s=longest_s, random=random))
        yield slots
    finally:
        for slot in slots:
            slot.kill()


def _kill(slots: list[Slot], plan: Plan, server: KillableServer | None) -> None:
    parts = plan.server_kills + 1
    ends = [plan.kills * part // parts for part in range(1, parts + 1)]
    killed = 0
    for end in ends:
        while killed < end:
            time.sleep(_LOOK_S)
            killed += sum(slot.turn() for slot in slots)
        if server is not None and end < plan.kills:
            server.kill()
            time.sleep(_WITHOUT_SERVER_S)
            server.restart()


def judge(
    place: str, folder: Path, names: list[str], plan: Plan, seconds: float, died: tuple[str, ...]
) -> Verdict:
    """Compare a store with what its writers noted, check it, and collect what is left."""
    store = Store.open(backend_of(place))
    logged: dict[CommitId, list[tuple[int, str]]] = {}
    for commit in store.history():
        logged.setdefault(commit.id, []).append((commit.number, digest_of(commit.operation)))
    acked = [one for name in names for one in acked_in(folder / f"{name}.acked")]
    report = check(store.backend, deep=True)
    strays = _strays(place, store)
    collect(store, Retention(ancestors=0), grace_s=0)
    after = check(store.backend, deep=True)
    return Verdict(
        kills=plan.kills,
        server_kills=plan.server_kills,
        seconds=seconds,
        acked=len(acked),
        commits=report.num_commits,
        lost=tuple(a.id for a in acked if (a.number, a.digest) not in logged.get(CommitId(a.id), ())),
        duplicated=tuple(id for id, found in logged.items() if len(found) > 1),
        problems=(*report.problems, *after.problems),
        orphans=report.num_orphans,
        orphans_left=after.num_orphans,
        strays=strays,
        remarks=dict(Counter(w for n in names for w in (folder / f"{n}.remarks").read_text().split())),
        died=died,
    )


def _strays(place: str, store: Store) -> int:
    """What killed processes leave beside objects: temporary files, and the probes of those who opened."""
    probes = sum(1 for _ in store.backend.list("probe-"))
    return probes if "://" in place else probes + sum(1 for _ in Path(place).rglob(".tmp-*"))
