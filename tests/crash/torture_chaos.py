"""Chaos: agents, their workers and their server die at random; the experiment completes all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from random import Random

from taskgrove.coordinator.metrics import TEST
from taskgrove.domain.ids import TaskName
from taskgrove.experiment.api import open as open_grove
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.places import check_store
from taskgrove.store.presence import present
from tests.crash.torture_agents import (
    BLOWS,
    NAME,
    Casualties,
    Experiment,
    Slot,
    processes_with,
    strike,
    strike_server,
)
from tests.crash.torture_server import KillableServer
from tests.crash.torture_witness import Publication, Witness, changed, content, zombies

_LOOK_S = 0.05
_ENDS_WITHIN_S = 10.0
_UNAIMED = 0.01
"""Chance, at every look, that an agent that still starts may be hit, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosPlan:
    """What is done to the agents.

    Attributes:
        seconds: For which agents are killed; then they may complete the experiment.
        agents: One per task.
        every_s: Mean time from one blow to the next.
        server_every_s: The same, of the server.
        iterations: Of each task, asked for at first, and again whenever all have got there too soon.
        completes_s: How long the experiment may take to complete afterwards.
        seed: Of all draws.
    """

    seconds: float
    agents: int
    every_s: float = 2.0
    server_every_s: float = 20.0
    iterations: int = 10
    completes_s: float = 300.0
    seed: int = 2026


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was found afterwards.

    Attributes:
        seconds: Until the experiment was complete.
        casualties: What was done to the agents, and what they did.
        commits: In the log.
        publications: Models that became their task's.
        altered: Commits that are lost, or not any more what they were when they were first seen.
        changed: Publications that do not predict any more what they predicted then.
        zombies: Numbers of commits by agents that had lost their claim.
        incomplete: Tasks whose iterations, model or test are missing.
        problems: Of the store, after a deep check.
        orphans: Processes that are left.
        notes: Notes of life that killed agents have left in the store.
    """

    seconds: float
    casualties: Casualties
    commits: int
    publications: int
    altered: int
    changed: tuple[Publication, ...]
    zombies: tuple[int, ...]
    incomplete: tuple[str, ...]
    problems: tuple[str, ...]
    orphans: tuple[str, ...]
    notes: int


def chaos(store: str, folder: Path, plan: ChaosPlan, server: KillableServer | None = None) -> Outcome:
    """Have agents grow a system and kill them, then judge what they have grown.

    Torch should be set to one thread, as the agents are: the last bits of predictions depend on it.

    Args:
        store: Of a system that does not exist yet.
        folder: For files; empty.
        plan: How much.
        server: To be killed too.
    """
    experiment = Experiment(folder, [f"task-{number}" for number in range(plan.agents)])
    experiment.write_tasks()
    experiment.ask(plan.iterations)
    open_or_create(store, read_experiment(experiment.path("inline")).root)
    witness, casualties = Witness(store), Casualties()
    began = time.monotonic()
    with _slots(store, experiment, casualties) as slots:
        iterations = _grow(slots, plan, experiment, witness, casualties, _Fate(plan, server))
        seconds = time.monotonic() - began
    witness.look()
    return judge(store, folder, experiment.tasks, iterations, witness, casualties, seconds)


@contextmanager
def _slots(store: str, experiment: Experiment, casualties: Casualties) -> Iterator[list[Slot]]:
    cache = experiment.folder / "cache"
    slots = [
        Slot(
            store,
            task,
            experiment.path("inline" if number % 2 else "processes"),
            experiment.folder,
            cache,
            casualties,
        )
        for number, task in enumerate(experiment.tasks)
    ]
    try:
        yield slots
    finally:
        for slot in slots:
            slot.close()


class _Fate:
    """When the next blows fall, and on whom.

    Args:
        plan: How often.
        server: To be hit too; None where there is none.
    """

    def __init__(self, plan: ChaosPlan, server: KillableServer | None) -> None:
        self._plan, self._server, self._random = plan, server, Random(plan.seed)
        self._next = time.monotonic() + plan.every_s
        self._kind = self._random.choice([*BLOWS])
        self._next_server = time.monotonic() + plan.server_every_s / 2

    def strike(self, slots: Sequence[Slot], working: Set[int], casualties: Casualties) -> None:
        """Do what is due.

        Args:
            slots: Of all agents.
            working: Ids of the agents that do not start any more.
            casualties: Where it is counted.
        """
        now, draw = time.monotonic(), self._random.random
        if now >= self._next:
            # Starting takes agents most of their time here, so most blows spare those that still do.
            aimed = [slot for slot in slots if slot.pid in working or draw() < _UNAIMED]
            if strike(self._kind, aimed, self._random, casualties):
                self._next = now + 2 * draw() * self._plan.every_s
                self._kind = self._random.choice([*BLOWS])
        if self._server is not None and now >= self._next_server:
            strike_server(self._server, casualties)
            self._next_server = now + (0.5 + draw()) * self._plan.server_every_s


def _grow(
    slots: Sequence[Slot],
    plan: ChaosPlan,
    experiment: Experiment,
    witness: Witness,
    casualties: Casualties,
    fate: _Fate,
) -> int:
    """Let agents and blows go on until the time is over and the experiment complete; its iterations."""
    iterations, over = plan.iterations, time.monotonic() + plan.seconds
    while (now := time.monotonic()) < over + plan.completes_s:
        for slot in slots:
            slot.tend(now, witness.working)
        witness.look()
        if now < over:
            fate.strike(slots, witness.working, casualties)
            if all(slot.finished for slot in slots):
                iterations += plan.iterations
                experiment.ask(iterations)
                for slot in slots:
                    slot.finished = False
        elif all(slot.finished and slot.quiet for slot in slots):
            break
        time.sleep(_LOOK_S)
    return iterations


def judge(
    store: str,
    folder: Path,
    tasks: Sequence[str],
    iterations: int,
    witness: Witness,
    casualties: Casualties,
    seconds: float,
) -> Outcome:
    """Compare the system with what was seen while it grew, and look for what is left of the agents."""
    grove = open_grove(store, writable=False)
    commits = list(grove.store.history())
    seen = zip_longest(witness.commits, map(content, commits))
    return Outcome(
        seconds=seconds,
        casualties=casualties,
        commits=len(commits),
        publications=len(witness.publications),
        altered=sum(one != other for one, other in seen),
        changed=tuple(changed(grove, witness.publications)),
        zombies=tuple(commit.number for commit in zombies(commits)),
        incomplete=tuple(task for task in tasks if not _complete(grove, task, iterations)),
        problems=check_store(store).problems,
        orphans=_left(str(folder / "cache")),
        notes=len(present(grove.store.backend)),
    )


def _complete(grove: Grove, name: str, iterations: int) -> bool:
    view = grove.view()
    best = view.best(TaskName(name))
    tested = best is not None and TEST in grove.evaluations().get(best.id, {})
    return tested and view.progress[NAME].get(TaskName(name)) == iterations


def _left(mark: str) -> tuple[str, ...]:
    """Processes that are still there some time after all agents have ended."""
    end = time.monotonic() + _ENDS_WITHIN_S
    while (left := processes_with(mark)) and time.monotonic() < end:
        time.sleep(_LOOK_S)
    return tuple(left)
