"""Every registered agent conforms."""

from __future__ import annotations

from typing import Any

import pytest

from taskgrove.agents.base import AbstractAgent
from taskgrove.agents.methods import AGENTS
from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.hparams import HparamValue
from taskgrove.testing.agents import AgentSuite
from taskgrove.testing.layouts import tiny_equipment

SMALL: dict[str, dict[str, HparamValue]] = {
    "mu2net_plus": {"generations": 3, "children": 3},
    "residual_adapters": {"dim": 16},
}
"""Options that keep an iteration short, and within the tiny search space."""


class TestAgents(AgentSuite):
    @pytest.fixture(params=list(AGENTS))
    def agent(self, request: pytest.FixtureRequest) -> AbstractAgent[Any]:
        method = AGENTS[str(request.param)]
        options = method.options_type(**SMALL.get(method.name, {}))
        return method(equipment=tiny_equipment(), options=options)  # type: ignore[call-arg]


def test_agents_are_registered_under_their_names() -> None:
    assert set(SMALL) <= set(AGENTS)
    assert all(AGENTS[name].name == name for name in AGENTS)


def test_an_unknown_agent_error_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="mu2net_plus"):
        AGENTS["no_such_agent"]
