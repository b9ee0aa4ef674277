"""What the whole system is worth after a task iteration, and what it has cost (µ2Net+, §5)."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from statistics import fmean

from taskgrove.domain.records import Model
from taskgrove.domain.view import SystemView
from taskgrove.scoring.accounting import accounted_params, distinct_params
from taskgrove.store.spent import Spent
from taskgrove.store.state import State

TEST = "test"
"""The split whose accuracies no agent sees."""


def metrics(state: State, experiment: str) -> Mapping[str, float]:
    """The metrics of a system, by name; what is not known (yet) is absent.

    `tasks` counts those with a model; means are over them. `params_per_task` are accounted
    parameters: each is divided by the number of models that share it (Eq. 2), where roots count as
    models in `params_per_task_roots_counted` only. `distinct_params` are those of all published
    models and roots. `children`, `samples` and `train_flops` have been spent by the experiment. Times
    are not metrics: the same experiment gives the same metrics on any machine of a kind.

    Args:
        state: The system, with its test accuracies and costs.
        experiment: Whose costs are counted.
    """
    view, spent = state.view, state.spent.get(experiment, Spent())
    models = [view.models[best] for best in view.bests.values()]
    tested = [state.evaluations.get(best, {}) for best in view.bests.values()]
    found = {
        "tasks": float(len(models)),
        "distinct_params": float(distinct_params(view.published())),
        "children": float(spent.children),
        "samples": float(spent.samples),
        "train_flops": float(spent.flops),
        **_mean("test_accuracy", [splits[TEST].accuracy for splits in tested if TEST in splits]),
        **_mean("validation_accuracy", [model.quality for model in models]),
        **_mean("flops", [float(model.flops) for model in models]),
        **_sizes(view, models),
    }
    return dict(sorted(found.items()))


def _mean(name: str, values: list[float]) -> dict[str, float]:
    return {f"mean_{name}": fmean(values)} if values else {}


def _sizes(view: SystemView, models: list[Model]) -> dict[str, float]:
    if not models:
        return {}
    name = "params_per_task"
    counted = {name: False, f"{name}_roots_counted": True}
    return {
        name: fsum(accounted_params(model, view, count_roots=roots) for model in models) / len(models)
        for name, roots in counted.items()
    }
