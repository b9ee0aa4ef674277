"""What the log says about the search: every child in order, summed up by task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import AddMetrics, Commit, FinishChild
from taskgrove.reports.quantities import duration, human, plural
from taskgrove.store.spent import Spent


class Status(StrEnum):
    """How a child ended."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One trained child.

    Attributes:
        order: 1 for the first child of the history.
        time: When its training ended, seconds since the epoch.
        task: Whose child it is.
        status: How it ended.
        score: By the agent's scoring; None when training failed.
        quality: Best validation accuracy in [0, 1]; None when training failed.
        mutations: Applied to the parent.
    """

    order: int
    time: float
    task: TaskName
    status: Status
    score: float | None
    quality: float | None
    mutations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHistory:
    """The search for one task.

    Attributes:
        counts: Number of children by status.
        best_score: Of accepted children; None when there is none.
        mutations: How often each mutation was applied to an accepted child.
    """

    counts: Mapping[Status, int]
    best_score: float | None
    mutations: Mapping[str, int]

    @property
    def trained(self) -> int:
        """Number of children, failed ones included."""
        return sum(self.counts.values())


def status_of(operation: FinishChild) -> Status:
    """How the child ended."""
    if operation.failure is not None:
        return Status.FAILED
    return Status.REJECTED if operation.model is None else Status.ACCEPTED


def children(history: Iterable[Commit]) -> list[Child]:
    """Every child in the order of the log."""
    found: list[Child] = []
    for commit in history:
        if isinstance(commit.operation, FinishChild):
            found.append(_child(len(found) + 1, commit.time, commit.operation))
    return found


def spent_by(history: Iterable[Commit]) -> dict[str, Spent]:
    """What each experiment that has trained a child has cost."""
    found: dict[str, Spent] = {}
    for commit in history:
        if isinstance(child := commit.operation, FinishChild):
            found[child.experiment] = found.get(child.experiment, Spent()).plus(child, commit.meters)
    return found


def budget(spent: Spent) -> str:
    """What an experiment has cost, in one line."""
    failed = f" ({spent.failed} failed)" if spent.failed else ""
    parts = (
        plural(spent.children, "child", "children") + failed,
        f"{human(spent.samples)} images",
        human(spent.flops, "FLOP"),
        f"{duration(spent.train_s)} of training",
        f"{duration(spent.device_s)} of the device",
    )
    return ", ".join(parts)


def measured(history: Iterable[Commit]) -> list[AddMetrics]:
    """The metrics after every task iteration, in the order of the log."""
    return [commit.operation for commit in history if isinstance(commit.operation, AddMetrics)]


def by_task(found: Sequence[Child]) -> dict[TaskName, TaskHistory]:
    """The search for each task that had a child, in order of first child."""
    return {
        task: _summary([child for child in found if child.task == task])
        for task in dict.fromkeys(child.task for child in found)
    }


def _child(order: int, time: float, operation: FinishChild) -> Child:
    return Child(
        order=order,
        time=time,
        task=operation.task,
        status=status_of(operation),
        score=operation.score,
        quality=operation.result.quality if operation.result else None,
        mutations=tuple(operation.mutations),
    )


def _summary(own: Sequence[Child]) -> TaskHistory:
    accepted = [child for child in own if child.status is Status.ACCEPTED]
    return TaskHistory(
        counts=Counter(child.status for child in own),
        best_score=max((child.score for child in accepted if child.score is not None), default=None),
        mutations=Counter(name for child in accepted for name in child.mutations),
    )
