"""What the log says about the search: every child in order, summed up by task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import AddRoot, Commit, FinishChild

_BACKWARD_COST = 2
"""A backward pass costs about two forward passes."""


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
        samples: Training images used; 0 when training failed.
        flops: Of one image's forward pass; the parent's when the child was not kept.
    """

    order: int
    time: float
    task: TaskName
    status: Status
    score: float | None
    quality: float | None
    mutations: tuple[str, ...]
    samples: int
    flops: int

    @property
    def training_flops(self) -> int:
        """Operations of its training, estimated: forward and backward passes over its samples."""
        return (1 + _BACKWARD_COST) * self.flops * self.samples


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
    flops: dict[ModelId, int] = {}
    found: list[Child] = []
    for commit in history:
        operation = commit.operation
        if isinstance(operation, AddRoot | FinishChild) and operation.model is not None:
            flops[operation.model.id] = operation.model.flops
        if isinstance(operation, FinishChild):
            known = operation.model.id if operation.model else operation.parent
            found.append(_child(len(found) + 1, commit.time, operation, flops.get(known, 0)))
    return found


def by_task(found: Sequence[Child]) -> dict[TaskName, TaskHistory]:
    """The search for each task that had a child, in order of first child."""
    return {
        task: _summary([child for child in found if child.task == task])
        for task in dict.fromkeys(child.task for child in found)
    }


def _child(order: int, time: float, operation: FinishChild, flops: int) -> Child:
    result = operation.result
    return Child(
        order=order,
        time=time,
        task=operation.task,
        status=status_of(operation),
        score=operation.score,
        quality=result.quality if result else None,
        mutations=operation.mutations,
        samples=result.samples if result else 0,
        flops=flops,
    )


def _summary(own: Sequence[Child]) -> TaskHistory:
    accepted = [child for child in own if child.status is Status.ACCEPTED]
    return TaskHistory(
        counts=Counter(child.status for child in own),
        best_score=max((child.score for child in accepted if child.score is not None), default=None),
        mutations=Counter(name for child in accepted for name in child.mutations),
    )
