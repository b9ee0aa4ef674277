"""What a trial gave, from its log: gain, parameters, and the grow sequence as it was carried out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from taskgrove.agents.methods.bind_grow import GROWN, INDEPENDENT
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import AddEvaluation, Commit, FinishChild, FinishProbe
from taskgrove.experiment.search.memory import REMEMBERED
from taskgrove.experiment.search.sequences import Point, delta_of
from taskgrove.reports.analyses.searched import TaskGain, TrialResult
from taskgrove.scoring.accounting import distinct_params
from taskgrove.store.store import Store

Children = Mapping[tuple[str, int], FinishChild]
"""By task and generation."""


def result_of(
    store: Store,
    names: Sequence[TaskName],
    *,
    number: int,
    point: Point,
    at: int,
    max_params: int,
    seconds: float,
) -> TrialResult:
    """What a finished trial gave.

    Args:
        store: Of the trial.
        names: Of its tasks, in the order in which they were learned.
        number, point, seconds: See `TrialResult`.
        at: The newest commit that is not its own.
        max_params: Distinct parameters that a solution may have; 0 for any number.
    """
    view, commits = store.refresh(), tuple(store.history(at + 1))
    children = _children(commits)
    bests = {name: view.best(name) for name in names}
    tasks = tuple(
        _gain(name, 0.0 if (best := bests[name]) is None else best.quality, children, point) for name in names
    )
    params = distinct_params(model for model in bests.values() if model is not None)
    jobs = [c for c in commits if isinstance(c.operation, FinishChild | FinishProbe | AddEvaluation)]
    remembered = sum(commit.meters.get(REMEMBERED, 0.0) > 0 for commit in jobs)
    gain = fmean(task.gain for task in tasks)
    return TrialResult(
        number=number,
        point=point,
        tasks=tasks,
        gain=gain,
        paper_delta=0.0 - gain * len(tasks),
        params=params,
        feasible=not max_params or params <= max_params,
        seconds=seconds,
        computed=len(jobs) - remembered,
        remembered=remembered,
    )


def _children(commits: Iterable[Commit]) -> Children:
    operations = (commit.operation for commit in commits)
    return {(o.task, o.generation): o for o in operations if isinstance(o, FinishChild)}


def _gain(task: TaskName, quality: float, children: Children, point: Point) -> TaskGain:
    """What became of a task; a net that could not be trained is one that is always wrong."""
    alone, grown = children[task, INDEPENDENT], children.get((task, GROWN))
    applied = () if grown is None or grown.result is None else tuple(grown.mutations)
    bound = (name.removeprefix("bind:") for name in applied if name.startswith("bind:"))
    return TaskGain(
        task=task,
        delta=None if grown is None else delta_of(point, task),
        bound=next(bound, None),
        grown=tuple(name.removeprefix("clone:") for name in applied if name.startswith("clone:")),
        quality=quality,
        independent=0.0 if alone.result is None else alone.result.quality,
        num_samples=1 if alone.result is None else alone.result.val_samples,
    )
