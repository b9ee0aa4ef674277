"""Every registered agent conforms."""

from __future__ import annotations

from typing import Any

import pytest

from taskgrove.agents.base import AbstractAgent
from taskgrove.agents.methods import AGENTS
from taskgrove.agents.methods.bind_grow import BindGrow, BindGrowOptions
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.view import SystemView
from taskgrove.testing.agents import AgentSuite
from taskgrove.testing.layouts import tiny_equipment

SMALL: dict[str, dict[str, HparamValue]] = {
    "mu2net_plus": {"generations": 3, "children": 3},
    "residual_adapters": {"dim": 16},
}
"""Options that keep an iteration short, and within the tiny search space."""


class TestAgents(AgentSuite):
    @pytest.fixture(params=[name for name in AGENTS if name != "bind_grow"])
    def agent(self, request: pytest.FixtureRequest) -> AbstractAgent[Any]:
        method = AGENTS[str(request.param)]
        options = method.options_type(**SMALL.get(method.name, {}))
        return method(equipment=tiny_equipment(), options=options)  # type: ignore[call-arg]


class TestBindGrow(AgentSuite):
    """It publishes the net that shares, whether or not the independent one was better."""

    proposes_best = False

    @pytest.fixture(params=[{}, {"shared_lr_scale": 0.0}, {"bind": "random", "grow": "random"}])
    def agent(self, request: pytest.FixtureRequest) -> AbstractAgent[Any]:
        return BindGrow(equipment=tiny_equipment(), options=BindGrowOptions(**request.param))

    def num_children(self, agent: AbstractAgent[Any], view: SystemView, *, fails: bool = False) -> int:
        """Its own net where it has to compare, then one that shares if there is somebody to bind to."""
        somebody = set(view.bests) != set()
        if agent.options.bind == "random":  # type: ignore[attr-defined]
            return 1
        return 2 if somebody and not fails else 1


def test_agents_are_registered_under_their_names() -> None:
    assert set(SMALL) <= set(AGENTS)
    assert all(AGENTS[name].name == name for name in AGENTS)


def test_an_unknown_agent_error_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="mu2net_plus"):
        AGENTS["no_such_agent"]
