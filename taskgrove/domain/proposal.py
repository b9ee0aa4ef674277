"""What an agent asks to publish at the end of a task iteration."""

from __future__ import annotations

from dataclasses import dataclass

from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Make `best` the task's model and retire the rest of the active population.

    Attributes:
        task: The active task.
        best: One of the accepted children or the model the task already had; None when the
            task has no model and no child was accepted.
        score: Of `best`, by the agent's scoring.
        others: New models of other tasks, which share what was trained; they are published together with
            `best`, all or none (004).
    """

    task: TaskName
    best: ModelId | None
    score: float | None
    others: tuple[Model, ...] = ()
