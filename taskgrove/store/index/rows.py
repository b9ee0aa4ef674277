"""From rows of the index to answers; the columns are those of the queries, in their order."""

from __future__ import annotations

from typing import Any

from taskgrove.domain.ids import AgentName, ComponentId, ModelId, TaskName
from taskgrove.store.index.answers import (
    Best,
    Contributor,
    Identity,
    Iteration,
    Relative,
    Remark,
    TagName,
    Use,
)
from taskgrove.store.index.database import Row


def best(row: Row) -> Best:
    """Of `queries.BESTS`."""
    task, model, since, quality, score, test = row
    return Best(task=task, model=_model(model), since=since, quality=quality, score=score, test_accuracy=test)


def use(row: Row) -> Use:
    """Of `queries.USERS`."""
    model, task, introduced, live, published = row
    return Use(
        model=_model(model), task=_task(task), introduced=introduced, live=bool(live), best=bool(published)
    )


def contributor(row: Row) -> Contributor:
    """Of `queries.CONTRIBUTOR`."""
    component, agent, task, model, number = row
    return Contributor(
        component=ComponentId(component.hex()),
        agent=None if agent is None else AgentName(agent),
        task=_task(task),
        model=_model(model),
        number=number,
    )


def relative(row: Row) -> Relative:
    """Of `queries.ANCESTRY` and `queries.DESCENDANTS`."""
    model, task, introduced, distance = row
    return Relative(model=_model(model), task=_task(task), introduced=introduced, distance=distance)


def iteration(row: Row) -> Iteration:
    """Of `queries.ITERATIONS`."""
    number, experiment, agent, counted, model, score, quality, test = row
    return Iteration(
        number=number,
        experiment=experiment,
        agent=AgentName(agent),
        iteration=counted,
        model=None if model is None else _model(model),
        score=score,
        quality=quality,
        test_accuracy=test,
    )


def remark(row: Row) -> Remark:
    """Of `queries.NOTES`."""
    number, task, text = row
    return Remark(number=number, task=_task(task), text=text)


def tag_name(row: Row) -> TagName:
    """Of `queries.TAGS`."""
    number, name, target = row
    return TagName(number=number, name=name, target=target)


def identity(row: Row) -> Identity:
    """Of `queries.BETWEEN`, `queries.BEFORE` and `queries.AFTER`."""
    kind, key, introduced = row
    return Identity(kind=kind, id=key.hex(), introduced=introduced)


def _model(key: Any) -> ModelId:
    return ModelId(key.hex())


def _task(name: Any) -> TaskName | None:
    return None if name is None else TaskName(name)
