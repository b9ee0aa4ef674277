"""The values that a system's experiments search, read back from what they were started with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from taskgrove.agents.methods import AGENTS
from taskgrove.domain.errors import UserError
from taskgrove.domain.hparams import HparamValue, Space
from taskgrove.domain.view import SystemView
from taskgrove.experiment.spaces import space_of
from taskgrove.experiment.spec import SpaceSpec
from taskgrove.experiment.tables import decode


def searched_values(view: SystemView) -> Mapping[str, tuple[HparamValue, ...]]:
    """By hyperparameter, the values of all experiments' search spaces, those of groups of tasks included.

    What an experiment of another version, or one with a method or a space that is not installed, has searched
    is not known here and left out.
    """
    found: dict[str, dict[HparamValue, None]] = {}
    for start in view.experiments.values():
        for space in _spaces(json.loads(start.spec), view):
            for choice in space:
                found.setdefault(choice.name, {}).update(dict.fromkeys(choice.values))
    return {name: tuple(values) for name, values in found.items()}


def _spaces(spec: Mapping[str, Any], view: SystemView) -> Iterator[Space]:
    """Of the experiment and of its groups, whose tables stand in for the experiment's."""
    member = view.models[view.roots[0]].member
    for group in ({}, *spec.get("groups", ())):
        own = {**spec, **{key: value for key, value in group.items() if value is not None}}
        root = group.get("root")
        try:
            table = decode(SpaceSpec, own["space"], "space")
            usual = AGENTS[own["agent"]["method"]].space
            yield space_of(table, usual, root["member"] if root else member)
        except (UserError, KeyError):
            continue
