"""Chaos: agents, their workers, cluster and server die at random; the experiment completes all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from taskgrove.coordinator.metrics import TEST
from taskgrove.domain.ids import TaskName
from taskgrove.experiment.api import open as open_grove
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.places import check_store
from taskgrove.store.presence import present
from tests.crash.torture_agents import Casualties, Slot, processes_with
from tests.crash.torture_cluster import KillableCluster, killable_cluster
from tests.crash.torture_fate import Fate
from tests.crash.torture_plan import INLINE, NAME, ChaosPlan, Experiment, parties
from tests.crash.torture_server import KillableServer
from tests.crash.torture_witness import Publication, Witness, changed, content, zombies

_LOOK_S = 0.05
_ENDS_WITHIN_S = 10.0


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
    open_or_create(store, read_experiment(experiment.path(INLINE)).root)
    witness, casualties, cache = Witness(store), Casualties(), folder / "cache"
    with _cluster(plan, folder, cache) as cluster:
        began = time.monotonic()
        with _slots(store, experiment, plan, cache, casualties, cluster) as slots:
            _begin(slots, plan, witness)
            fate = Fate(plan, slots, casualties, server, cluster)
            iterations = _grow(slots, plan, experiment, witness, fate)
            seconds = time.monotonic() - began
    witness.look()
    orphans = _left(str(cache), cluster)
    return judge(store, experiment.tasks, iterations, witness, casualties, seconds, orphans)


def _cluster(plan: ChaosPlan, folder: Path, cache: Path) -> AbstractContextManager[KillableCluster | None]:
    return killable_cluster(folder, cache, plan.seed) if plan.ray else nullcontext()


@contextmanager
def _slots(
    store: str,
    experiment: Experiment,
    plan: ChaosPlan,
    cache: Path,
    casualties: Casualties,
    cluster: KillableCluster | None,
) -> Iterator[list[Slot]]:
    environment = {**(cluster.environment if cluster else {}), "TASKGROVE_CACHE": str(cache)}
    slots = [
        Slot(store, tasks, place, experiment, environment, casualties)
        for tasks, place in parties(experiment.tasks, plan)
    ]
    try:
        yield slots
    finally:
        for slot in slots:
            slot.close()


def _begin(slots: Sequence[Slot], plan: ChaosPlan, witness: Witness) -> None:
    """Let all agents get to work, which takes long on few cores, before the first blow falls."""
    end = time.monotonic() + plan.completes_s
    while (now := time.monotonic()) < end and not all(s.finished or s.pid in witness.working for s in slots):
        for slot in slots:
            slot.tend(now, witness.working)
        witness.look()
        time.sleep(_LOOK_S)


def _grow(
    slots: Sequence[Slot], plan: ChaosPlan, experiment: Experiment, witness: Witness, fate: Fate
) -> int:
    """Let agents and blows go on until the time is over and the experiment complete; its iterations."""
    iterations, over = plan.iterations, time.monotonic() + plan.seconds
    while (now := time.monotonic()) < over + plan.completes_s:
        for slot in slots:
            slot.tend(now, witness.working)
        witness.look()
        if now < over:
            fate.strike(witness.working)
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
    tasks: Sequence[str],
    iterations: int,
    witness: Witness,
    casualties: Casualties,
    seconds: float,
    orphans: tuple[str, ...],
) -> Outcome:
    """Compare the system with what was seen while it grew."""
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
        orphans=orphans,
        notes=len(present(grove.store.backend)),
    )


def _complete(grove: Grove, name: str, iterations: int) -> bool:
    view = grove.view()
    best = view.best(TaskName(name))
    tested = best is not None and TEST in grove.evaluations().get(best.id, {})
    return tested and view.progress[NAME].get(TaskName(name)) == iterations


def _left(mark: str, cluster: KillableCluster | None) -> tuple[str, ...]:
    """Processes that are still there some time after all agents and the cluster have ended."""
    end = time.monotonic() + _ENDS_WITHIN_S
    while True:
        left = (*processes_with(mark), *(cluster.processes() if cluster else ()))
        if not left or time.monotonic() > end:
            return left
        time.sleep(_LOOK_S)
