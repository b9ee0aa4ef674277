"""The agent conforms."""

from __future__ import annotations

import pytest
from top_down import TopDown, TopDownOptions

from taskgrove.testing.agents import AgentSuite
from taskgrove.testing.layouts import tiny_equipment


class TestTopDown(AgentSuite):
    """The suite that every agent passes."""

    @pytest.fixture
    def agent(self) -> TopDown:
        """With few children, so that it is quick."""
        return TopDown(equipment=tiny_equipment(), options=TopDownOptions(children=3))
