"""When an experiment ends before its iterations do."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import TaskName
from taskgrove.store.spent import Spent
from taskgrove.store.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Looked at before each task iteration; None is no limit.

    All but `seconds` count what the log says, so that an interrupted run ends where it would have.

    Attributes:
        samples, flops: Training images and floating-point operations of all tasks together.
        task_samples, task_flops: Of one task; the others go on.
        seconds: Of this process, since it began.
        patience: A task ends after so many iterations in a row that did not change its model.
    """

    samples: int | None = None
    flops: int | None = None
    task_samples: int | None = None
    task_flops: int | None = None
    seconds: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and value <= 0:
                raise BadValueError(f"limits.{name} must be positive, got {value}; leave it out for none.")

    def reached(self, state: State, experiment: str, task: TaskName, elapsed_s: float) -> bool:
        """Whether the task's next iteration is not to begin.

        Args:
            state: At the head of the log.
            experiment, task: Which.
            elapsed_s: Seconds since this process began.
        """
        whole = state.spent.get(experiment, Spent())
        own = state.spent_on.get(experiment, {}).get(task, Spent())
        return (
            (self.samples is not None and whole.samples >= self.samples)
            or (self.flops is not None and whole.flops >= self.flops)
            or (self.task_samples is not None and own.samples >= self.task_samples)
            or (self.task_flops is not None and own.flops >= self.task_flops)
            or (self.seconds is not None and elapsed_s >= self.seconds)
            or (self.patience is not None and state.unchanged.get(task, 0) >= self.patience)
        )
