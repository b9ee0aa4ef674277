"""What variants were carried out with, as flat settings that can be told apart one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from taskgrove.agents.methods import AGENTS
from taskgrove.experiment.spec import ExperimentSpec, canonical
from taskgrove.experiment.usual import usual_options
from taskgrove.reports.analyses.run import Settings

_FREE = ("name", "seed", "device", "executor", "workers", "resources", "root.seed")
_HOW = ("train.threads", "train.engine", "train.compile")


def settings_of(specs: Sequence[str]) -> Settings:
    """Everything that may decide the result of a run but its seed, by dotted name.

    Options that a method has by itself are spelled out; lists are JSON. Where experiments that are
    carried out in a row have several values, these are put together as text.

    Args:
        specs: As canonical JSON, in order.
    """
    flat = [dict(_flat(_full(json.loads(spec)))) for spec in specs]
    return {
        place: _one([each.get(place) for each in flat]) for place in dict.fromkeys(p for f in flat for p in f)
    }


def _full(spec: Mapping[str, Any]) -> dict[str, Any]:
    """With defaults for settings that came later than the spec, and of the method's options."""
    usual: dict[str, Any] = json.loads(canonical(ExperimentSpec(name=spec["name"])))
    full = {
        key: {**value, **spec.get(key, {})} if isinstance(value, dict) else spec.get(key, value)
        for key, value in usual.items()
    }
    agent = full["agent"]
    if agent["method"] in AGENTS:
        full["agent"] = {**agent, "options": {**usual_options(agent["method"]), **agent["options"]}}
    return full


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if place in _FREE or place in _HOW:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{place}.{key}" if place else key)
    else:
        yield place, json.dumps(value) if isinstance(value, list) else value


def _one(values: Sequence[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else json.dumps(values)
