"""Grow sequences as points of a space, and as experiments that carry them out (004, §3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from taskgrove.coordinator.base import Resources
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.view import SystemView
from taskgrove.experiment.search.spec import PER_TASK, RANK, SEARCHED, SHARED, SearchSpec
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, GroupSpec, TaskEntry

DELTA, ORDER, RANKED = "delta", "order", "rank"
Point = Mapping[str, float]
"""Values by the names of axes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Something that is searched.

    Attributes:
        name: `delta`, or `delta:<task>`, `rank:<task>`, `order:<task>`.
        high: Largest value; the smallest is 0.
        step: Between values; None for any real number.
        whole: Whether values are indices.
    """

    name: str
    high: float = 1.0
    step: float | None = None
    whole: bool = False


def axes_of(search: SearchSpec, tasks: Sequence[str], known: int) -> tuple[Axis, ...]:
    """What is searched.

    Args:
        search: The search.
        tasks: In the order of the experiment.
        known: Tasks of the base that have a model already, to which the first task may bind.
    """
    found = [Axis(name=DELTA, step=search.step)] if search.delta == SHARED else []
    for position, task in enumerate(tasks):
        candidates = known + (len(tasks) - 1 if search.order == SEARCHED else position)
        if search.delta == PER_TASK and candidates:  # with none, it keeps its independent net
            found.append(Axis(name=f"{DELTA}:{task}", step=search.step))
        if search.bind == RANK and candidates > 1:
            found.append(Axis(name=f"{RANKED}:{task}", high=candidates - 1, whole=True))
        if search.order == SEARCHED:
            found.append(Axis(name=f"{ORDER}:{task}"))
    return tuple(found)


def grid_of(search: SearchSpec) -> tuple[Point, ...]:
    """Every δ, each time the one farthest from all before, so that any beginning spans the whole."""
    left, chosen = list(range(search.num_steps + 1)), list[int]()
    while left:
        far = max(left, key=lambda n: (min((abs(n - c) for c in chosen), default=0), -n))
        left.remove(far)
        chosen.append(far)
    return tuple({DELTA: n / search.num_steps} for n in chosen)


def named(experiment: ExperimentSpec, view: SystemView) -> ExperimentSpec:
    """The experiment with its tasks spelled out; without any, all of the system."""
    entries = tuple(TaskEntry(name=task.name, source=task.source) for task in view.tasks.values())
    return replace(experiment, tasks=experiment.tasks or entries)


def experiment_at(template: ExperimentSpec, point: Point, number: int) -> ExperimentSpec:
    """The experiment that carries out a grow sequence, job by job.

    Args:
        template: With its tasks.
        point: The sequence.
        number: Of the trial.
    """
    tasks = sorted(template.tasks, key=lambda task: point.get(f"{ORDER}:{task.name}", 0.0))
    return replace(
        template,
        name=f"{template.name}.{number:04d}",
        executor="inline",
        workers=0,
        resources=Resources(),
        tasks=tuple(tasks),
        groups=tuple(_group(template, task.name, point) for task in template.tasks),
    )


def delta_of(point: Point, task: str) -> float | None:
    """The δ of a task; None for one that can bind to nothing."""
    return point.get(f"{DELTA}:{task}", point.get(DELTA))


def _group(template: ExperimentSpec, task: str, point: Point) -> GroupSpec:
    """What is different for a task: what its group says, and what the sequence says."""
    group = next((group for group in template.groups if task in group.tasks), GroupSpec(tasks=(task,)))
    agent = template.of_task(task).agent
    options: dict[str, HparamValue] = dict(agent.options)
    if (delta := delta_of(point, task)) is not None:
        options["delta"] = delta
    if f"{RANKED}:{task}" in point:
        options["rank"] = int(point[f"{RANKED}:{task}"])
    return replace(group, tasks=(task,), agent=AgentSpec(method=agent.method, iterations=1, options=options))
