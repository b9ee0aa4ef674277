"""Accounted parameters: each parameter divided among the models that share it (µ2Net+, Eq. 2)."""

from __future__ import annotations

import math
from collections.abc import Iterable

from taskgrove.domain.ids import ComponentId, TaskName
from taskgrove.domain.records import Model
from taskgrove.domain.view import SystemView


def distinct_params(models: Iterable[Model]) -> int:
    """Parameters of some models together, shared ones counted once: what has to be stored."""
    return sum({c.id: c.num_params for model in models for c in model.components}.values())


def share(component: ComponentId, task: TaskName | None, view: SystemView, *, count_roots: bool) -> float:
    """The part 1 / (#models(p) + 1) of a component that a model of `task` accounts for."""
    others = len(view.users_of(component) - {task})
    return 1.0 / (others + 1 + (view.roots_of(component) if count_roots else 0))


def accounted(
    used: Iterable[tuple[ComponentId | None, int]],
    task: TaskName,
    view: SystemView,
    *,
    count_roots: bool,
) -> float:
    """Accounted parameters of a model that may not exist yet.

    Args:
        used: Component and number of parameters of each slot; None for one that is still to be
            trained and therefore shared with nobody.
        task: The model's task; its own published model is not counted as a sharer.
        view: Says who else uses a component.
        count_roots: Whether roots count as sharers.

    The sum is exact, so that equal costs give equal scores whatever the order of the slots.
    """
    shared: dict[ComponentId, int] = {}
    new: list[float] = []
    for component, size in used:
        if component is None:
            new.append(size)
        else:
            shared[component] = size
    old = (n * share(c, task, view, count_roots=count_roots) for c, n in shared.items())
    return math.fsum((*new, *old))


def accounted_params(model: Model, view: SystemView, *, count_roots: bool = True) -> float:
    """Accounted parameters of a model; for a root model its share as a root when roots count.

    Over all published models, roots included when they count, this sums to the number of distinct
    parameters of the system.
    """
    sizes = {c.id: c.num_params for c in model.components}
    if model.task is not None:
        return accounted(list(sizes.items()), model.task, view, count_roots=count_roots)
    if not count_roots:
        return 0.0
    return math.fsum(n / (len(view.users_of(c)) + view.roots_of(c)) for c, n in sizes.items())
