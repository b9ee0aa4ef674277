"""Knowledge flow between tasks: on which tasks the parameters of each model were trained (muNet, Fig. 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Model
from taskgrove.domain.view import SystemView
from taskgrove.reports.quantities import MISSING, percent

Floats = NDArray[np.float64]
Flow = Mapping[TaskName, Mapping[TaskName, float]]

HEADINGS = ("task", "source", "fraction")
_MOST_SOURCES = 3


def knowledge_flow(view: SystemView) -> Flow:
    """For each task with a model, the fraction of its parameters' training that each task gave.

    The fraction of training cycles performed on a task by the parameters in the model (muNet, Fig.
    6): a component's cycles count once per parameter. The task itself is among the sources, and the
    fractions sum to 1; what a root was pretrained on does not count.

    Args:
        view: The system; tasks are in order of arrival, the sources of each by their part.
    """
    models = ((task, view.best(task)) for task in view.tasks)
    return {task: _sources(model) for task, model in models if model is not None}


def flow_rows(flow: Flow) -> list[tuple[str, str, float]]:
    """One row per model and source, under `HEADINGS`, for a CSV file."""
    return [(task, source, part) for task, sources in flow.items() for source, part in sources.items()]


def flow_matrix(flow: Flow) -> tuple[tuple[TaskName, ...], Floats]:
    """All tasks that are targets or sources, and (targets, sources) float64 fractions between them."""
    names = tuple(dict.fromkeys((*flow, *(source for sources in flow.values() for source in sources))))
    place = {name: index for index, name in enumerate(names)}
    found = np.zeros((len(names), len(names)))
    for task, sources in flow.items():
        for source, part in sources.items():
            found[place[task], place[source]] = part
    return names, found


def flow_cells(flow: Flow) -> list[tuple[str, str, str]]:
    """One row per model: its task, the part that the task itself gave, the largest other sources."""
    return [(task, percent(sources.get(task, 0.0)), _others(task, sources)) for task, sources in flow.items()]


def _sources(model: Model) -> dict[TaskName, float]:
    work: Counter[TaskName] = Counter()
    for component in {component.id: component for component in model.components}.values():
        for task, cycles in component.cycles.items():
            work[task] += cycles * component.num_params
    total = work.total()
    ranked = sorted(work.items(), key=lambda item: (-item[1], item[0]))
    return {task: done / total for task, done in ranked if done}


def _others(task: TaskName, sources: Mapping[TaskName, float]) -> str:
    named = [f"{source} {percent(part)}" for source, part in sources.items() if source != task]
    rest = len(named) - _MOST_SOURCES
    return ", ".join([*named[:_MOST_SOURCES], *([f"+{rest} tasks"] if rest > 0 else [])]) or MISSING
