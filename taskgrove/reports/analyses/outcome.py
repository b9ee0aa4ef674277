"""What one run of a comparison gave: its tasks, its size and what it cost, read from its system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Commit
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.history import spent_by
from taskgrove.reports.analyses.tasks import Evaluations, TaskRow, per_task, totals
from taskgrove.scoring.accounting import accounted_params


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutcome:
    """One task; what a task without a model does not have is None.

    Attributes:
        task: Its name.
        num_classes: Width of its head.
        val_accuracy, test_accuracy: In [0, 1].
        params_roots_counted: Accounted parameters, roots counted as sharers (µ2Net+).
        params_roots_not_counted: Likewise, roots not counted (muNet).
        flops: Of one image's forward pass.
    """

    task: TaskName
    num_classes: int
    val_accuracy: float | None
    test_accuracy: float | None
    params_roots_counted: float | None
    params_roots_not_counted: float | None
    flops: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run has spent.

    Attributes:
        children: Trained, failed ones included.
        failed: Of them.
        samples: Training images.
        train_flops: Floating-point operations of training, validations included.
        train_s: Seconds of the children's training.
        wall_s: Seconds of the whole run; None when it was interrupted, since nobody looked then.
        device_s: Seconds that the device was busy with training, on a CPU of all cores together; None
            when they were not measured.
    """

    children: int
    failed: int
    samples: int
    train_flops: int
    train_s: float
    wall_s: float | None
    device_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One finished run.

    Attributes:
        variant: Its label.
        seed: Of search and root.
        identity: sha256 of the settings that it followed.
        conditions: What it ran on, in a line.
        tasks: In order of arrival.
        distinct_params: Of all published models, roots included.
        separate_params: What the same models would have without any sharing.
        cost: What it has spent.
    """

    variant: str
    seed: int
    identity: str
    conditions: str
    tasks: tuple[TaskOutcome, ...]
    distinct_params: int
    separate_params: int
    cost: Cost

    @property
    def test_accuracy(self) -> float | None:
        """Mean over tasks."""
        return mean(task.test_accuracy for task in self.tasks)

    @property
    def val_accuracy(self) -> float | None:
        """Mean over tasks."""
        return mean(task.val_accuracy for task in self.tasks)

    @property
    def params_roots_counted(self) -> float | None:
        """Mean over tasks."""
        return mean(task.params_roots_counted for task in self.tasks)

    @property
    def params_roots_not_counted(self) -> float | None:
        """Mean over tasks."""
        return mean(task.params_roots_not_counted for task in self.tasks)

    @property
    def flops(self) -> float | None:
        """Mean over tasks, of one image's forward pass."""
        return mean(task.flops for task in self.tasks)


def mean(values: Iterable[float | None]) -> float | None:
    """Of the known values; None when there is none."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def outcome_of(
    view: SystemView,
    evaluations: Evaluations,
    history: Iterable[Commit],
    *,
    variant: str,
    seed: int,
    identity: str,
    conditions: str,
    wall_s: float | None,
) -> Outcome:
    """What a finished run gave.

    Args:
        view, evaluations, history: Of its system.
        variant, seed, identity, conditions, wall_s: See `Outcome` and `Cost`.
    """
    total = totals(view, evaluations)
    return Outcome(
        variant=variant,
        seed=seed,
        identity=identity,
        conditions=conditions,
        tasks=tuple(_task(row, view) for row in per_task(view, evaluations)),
        distinct_params=total.distinct_params,
        separate_params=total.separate_params,
        cost=_cost(history, wall_s),
    )


def _task(row: TaskRow, view: SystemView) -> TaskOutcome:
    model = view.best(row.task)
    return TaskOutcome(
        task=row.task,
        num_classes=row.num_classes,
        val_accuracy=row.val_accuracy,
        test_accuracy=row.test_accuracy,
        params_roots_counted=row.accounted_params,
        params_roots_not_counted=None if model is None else accounted_params(model, view, count_roots=False),
        flops=row.flops,
    )


def _cost(history: Iterable[Commit], wall_s: float | None) -> Cost:
    spent = spent_by(history).values()
    measured = all("device_s" in each.meters for each in spent)
    return Cost(
        children=sum(each.children for each in spent),
        failed=sum(each.failed for each in spent),
        samples=sum(each.samples for each in spent),
        train_flops=sum(each.flops for each in spent),
        train_s=sum(each.train_s for each in spent),
        wall_s=wall_s,
        device_s=sum(each.device_s for each in spent) if measured else None,
    )
