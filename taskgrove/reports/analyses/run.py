"""A system with its history: what reports read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.records import Commit
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.bindings import Options
from taskgrove.reports.analyses.tasks import Evaluations

Settings = Mapping[str, HparamValue | None]
"""What an experiment was carried out with, by dotted name: `score.scale`, `agent.options.dim`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One system, alone or as a run of a comparison.

    Attributes:
        view: The system; may be empty or partial.
        history: Its log from the start; may be empty.
        evaluations: Test accuracies by model and split.
        variant: Label of the comparison's variant; "" for a system on its own.
        seed: Of search and root; None for a system on its own.
        usual: Options of bind-and-grow where an experiment gives none.
        valid: The values in the search spaces of its experiments, by hyperparameter; empty where unknown.
        settings: Tell the variants of a comparison apart; empty when they are not known.
    """

    view: SystemView
    history: Sequence[Commit] = ()
    evaluations: Evaluations = field(default_factory=lambda: MappingProxyType({}))
    variant: str = ""
    seed: int | None = None
    usual: Options = field(default_factory=lambda: MappingProxyType({}))
    valid: Mapping[str, Sequence[HparamValue]] = field(default_factory=lambda: MappingProxyType({}))
    settings: Settings = field(default_factory=lambda: MappingProxyType({}))
