"""The search methods that the package ships: one line per file."""

from __future__ import annotations

from typing import Any

from taskgrove.agents.base import AbstractAgent
from taskgrove.agents.methods.bind_grow import BindGrow
from taskgrove.agents.methods.fine_tune import FineTune
from taskgrove.agents.methods.fine_tune_search import FineTuneSearch
from taskgrove.agents.methods.fine_tune_top import FineTuneTop
from taskgrove.agents.methods.mu2net import Mu2Net
from taskgrove.agents.methods.mu2net_plus import Mu2NetPlus
from taskgrove.agents.methods.multi_head import MultiHead
from taskgrove.agents.methods.munet import MuNet
from taskgrove.agents.methods.random_search import RandomSearch
from taskgrove.agents.methods.residual_adapters import ResidualAdapters
from taskgrove.domain.registry import Registry

AGENTS: Registry[type[AbstractAgent[Any]]] = Registry(
    "agent",
    "taskgrove.agents",
    {
        agent.name: agent
        for agent in (
            BindGrow,
            FineTune,
            FineTuneSearch,
            FineTuneTop,
            Mu2Net,
            Mu2NetPlus,
            MultiHead,
            MuNet,
            RandomSearch,
            ResidualAdapters,
        )
    },
)

__all__ = ["AGENTS"]
