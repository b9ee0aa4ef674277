"""Outcomes of runs with numbers that are easy to compute with."""

from __future__ import annotations

from collections.abc import Mapping

from taskgrove.domain.ids import TaskName
from taskgrove.reports.analyses.comparison import Comparison
from taskgrove.reports.analyses.outcome import Cost, Outcome, TaskOutcome
from taskgrove.reports.analyses.run import Settings


def outcome(
    variant: str,
    seed: int,
    test: float | None,
    params: float = 1e6,
    flops: int = 10**7,
    samples: int = 640,
    tasks: tuple[str, ...] = ("a", "b"),
) -> Outcome:
    """A run whose test accuracies lie alternately 0.1 below and above `test`."""
    found = tuple(
        TaskOutcome(
            task=TaskName(name),
            num_classes=2,
            val_accuracy=test,
            test_accuracy=None if test is None else test + (0.1 if i % 2 else -0.1),
            params_roots_counted=params,
            params_roots_not_counted=2 * params,
            flops=flops,
        )
        for i, name in enumerate(tasks)
    )
    cost = Cost(
        children=8, failed=1, samples=samples, train_flops=10**10, train_s=61.0, wall_s=None, device_s=72.0
    )
    return Outcome(
        variant=variant,
        seed=seed,
        identity="",
        conditions="somewhere",
        tasks=found,
        distinct_params=3,
        separate_params=4,
        cost=cost,
    )


def comparison(
    *outcomes: Outcome, variants: tuple[str, ...] = ("x", "y"), settings: Mapping[str, Settings] | None = None
) -> Comparison:
    """With seeds 0 to 2 wanted."""
    return Comparison(
        title="t", variants=variants, seeds=(0, 1, 2), outcomes=outcomes, settings=settings or {}
    )
