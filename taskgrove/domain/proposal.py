"""What an agent asks to publish at the end of a task iteration."""

from __future__ import annotations

from dataclasses import dataclass

from taskgrove.domain.ids import ModelId, TaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Make `best` the task's model and retire the rest of the active population.

    Attributes:
        task: The active task.
        best: One of the accepted children or the model the task already had; None when the
            task has no model and no child was accepted.
        score: Of `best`, by the agent's scoring.
    """

    task: TaskName
    best: ModelId | None
    score: float | None
