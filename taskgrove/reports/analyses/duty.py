"""How busy workers were: the share of their time in which they trained or evaluated (002, §2)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import AddEvaluation, Claim, Commit, FinishChild
from taskgrove.reports.quantities import duration, percent, plural
from taskgrove.store.state import State

NEWEST = 2_000
"""Commits that `status` looks at."""
PAUSE_S = 60.0
"""When nobody in an experiment works for longer than this, it was interrupted: that is nobody's idleness."""
_PHASES = ("train_s", "evaluate_s")
_WORKER = re.compile(r"worker_(\d+)_s")
Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker of an experiment.

    Attributes:
        name: Who holds its tasks, if that was claimed, and its number, if it is one of several there.
        jobs: Children and tests.
        busy_s: Spent in them.
        wall_s: From the first job to the end of the last of all workers of the same holder, without pauses.
    """

    name: str
    jobs: int
    busy_s: float
    wall_s: float

    @property
    def share(self) -> float:
        """Its duty cycle, in [0, 1]."""
        return min(1.0, self.busy_s / self.wall_s) if self.wall_s else 1.0


@dataclass(frozen=True, slots=True)
class _Job:
    """A job that somebody has done."""

    holder: str
    worker: str
    span: Span


def duty(history: Iterable[Commit]) -> dict[str, tuple[Worker, ...]]:
    """The workers of each experiment whose jobs were metered.

    A test of a model counts for whoever trained for the same task last.

    Args:
        history: Any part of the log; claims that came before it have no names.
    """
    jobs: dict[str, list[_Job]] = defaultdict(list)
    claims: dict[int, str] = {}
    last: dict[TaskName, tuple[str, str]] = {}
    for commit in history:
        operation = commit.operation
        if isinstance(operation, Claim):
            claims[commit.number] = operation.holder
        elif isinstance(operation, FinishChild):
            holder = "" if commit.claim is None else claims.get(commit.claim, f"claim {commit.claim}")
            last[operation.task] = operation.experiment, holder
            jobs[operation.experiment] += _jobs(commit, holder)
        elif isinstance(operation, AddEvaluation) and operation.evaluation.task in last:
            experiment, holder = last[operation.evaluation.task]
            jobs[experiment] += _jobs(commit, holder)
    return {name: _workers(found) for name, found in jobs.items() if found}


def known(state: State) -> bool:
    """Whether the log is worth reading for it: somebody worked beside others, or has claimed a task."""
    return bool(state.claims) or any(map(_WORKER.fullmatch, _meters(state)))


def sentence(workers: Sequence[Worker]) -> str:
    """The duty cycles in one line; several workers are summed up."""
    shares = [worker.share for worker in workers]
    each = f", each {percent(min(shares))} to {percent(max(shares))} %" if len(shares) > 1 else ""
    longest = duration(max(worker.wall_s for worker in workers))
    return f"{plural(len(workers), 'worker')} busy {percent(fmean(shares))} % of {longest}{each}"


def _meters(state: State) -> set[str]:
    return {name for spent in state.spent.values() for name in spent.meters}


def _jobs(commit: Commit, holder: str) -> Iterator[_Job]:
    seconds = sum(commit.meters.get(phase, 0.0) for phase in _PHASES)
    if seconds:
        numbers = (found[1] for name in commit.meters if (found := _WORKER.fullmatch(name)))
        yield _Job(holder, next(numbers, ""), (commit.time - seconds, commit.time))


def _workers(jobs: Sequence[_Job]) -> tuple[Worker, ...]:
    pauses = _pauses([job.span for job in jobs])
    spans: dict[str, list[Span]] = defaultdict(list)
    own: dict[tuple[str, str], list[float]] = defaultdict(list)
    for job in jobs:
        spans[job.holder].append(job.span)
        own[job.holder, job.worker].append(job.span[1] - job.span[0])
    walls = {holder: _wall_s(found, pauses) for holder, found in spans.items()}
    return tuple(
        Worker(
            name=" ".join((holder, worker)).strip(),
            jobs=len(seconds),
            busy_s=sum(seconds),
            wall_s=walls[holder],
        )
        for (holder, worker), seconds in sorted(own.items())
    )


def _pauses(spans: Sequence[Span]) -> list[Span]:
    """When nobody worked for long."""
    found: list[Span] = []
    end = min(start for start, _ in spans)
    for start, stop in sorted(spans):
        if start - end > PAUSE_S:
            found.append((end, start))
        end = max(end, stop)
    return found


def _wall_s(spans: Sequence[Span], pauses: Sequence[Span]) -> float:
    first, last = min(start for start, _ in spans), max(stop for _, stop in spans)
    return last - first - sum(b - a for a, b in pauses if first <= a and b <= last)
