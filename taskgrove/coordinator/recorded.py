"""What the log has of a task iteration that was interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import FinishChild, FinishProbe
from taskgrove.store.store import Store


@dataclass(frozen=True, slots=True)
class Recorded:
    """What has been done of an open iteration.

    Attributes:
        children: By generation and child.
        probes: By the two models and the measure.
    """

    children: Mapping[tuple[int, int], FinishChild] = field(default_factory=dict)
    probes: Mapping[tuple[tuple[ModelId, ModelId], str], FinishProbe] = field(default_factory=dict)


def recorded_since(store: Store, task: TaskName, begun: int) -> Recorded:
    """What has been recorded of a task's iteration since the commit that began it."""
    children, probes = {}, {}
    for commit in store.history(begun + 1):
        operation = commit.operation
        if isinstance(operation, FinishChild) and operation.task == task:
            children[operation.generation, operation.child] = operation
        elif isinstance(operation, FinishProbe) and operation.task == task:
            probes[operation.models, operation.measure] = operation
    return Recorded(children, probes)
