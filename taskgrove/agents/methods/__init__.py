"""The search methods that the package ships: one line per file."""

from __future__ import annotations

from typing import Any

from taskgrove.agents.base import AbstractAgent
from taskgrove.agents.methods.mu2net_plus import Mu2NetPlus
from taskgrove.domain.registry import Registry

AGENTS: Registry[type[AbstractAgent[Any]]] = Registry(
    "agent", "taskgrove.agents", {agent.name: agent for agent in (Mu2NetPlus,)}
)

__all__ = ["AGENTS"]
