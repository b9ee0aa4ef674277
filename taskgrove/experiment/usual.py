"""The options that a method has where an experiment gives none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from taskgrove.agents.methods import AGENTS
from taskgrove.domain.hparams import HparamValue


def usual_options(method: str) -> Mapping[str, HparamValue]:
    """A registered agent's options with their default values."""
    return asdict(AGENTS[method].options_type())
