"""Distributions of the hyperparameters of a system's models (muNet, Figure 8; µ2Net+, Figure 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from matplotlib.figure import Figure

from taskgrove.domain.hparams import HparamValue
from taskgrove.reports.analyses.hparams import Spectrum, settings, spectra
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill, Scope
from taskgrove.reports.drawing.distributions import Distribution, draw_distributions
from taskgrove.reports.drawing.names import plain_name


def draw_hparams(found: Sequence[Spectrum], variants: Sequence[str]) -> Figure:
    """A panel for each hyperparameter in which models differ; the others are named below.

    Args:
        found: Of all hyperparameters.
        variants: In order.
    """
    same = [f"{plain_name(one.name)} = {_text(one.only)}" for one in found if one.only is not None]
    return draw_distributions(
        [
            Distribution(title=plain_name(one.name), ticks=tuple(map(_text, one.values)), shares=one.shares)
            for one in found
            if one.only is None
        ],
        variants,
        across="",
        up="share of the models",
        foot=f"The same in all models: {', '.join(same)}" if same else "",
        nothing=_nothing(found),
    )


def _nothing(found: Sequence[Spectrum]) -> str:
    return "All models have the same hyperparameters." if found else "No task has a model yet."


def _text(value: HparamValue | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


@final
class HparamsChart(AbstractStill):
    """What the search has chosen (001, Figure 8; 000, Figure 5)."""

    name: ClassVar[str] = "hparams"
    title: ClassVar[str] = "Hyperparameters"
    summary: ClassVar[str] = "how often each hyperparameter's values are used (001, Fig. 8; 000, Fig. 5)"
    caption: ClassVar[str] = (
        "Share of the tasks' published models that have each value, over all seeds. Values stand in the "
        "order in which mutations step through them; those that no model has are shown as far as the "
        "search space is known. The dimension of adapters is that of models that have some."
    )
    scope: ClassVar[Scope] = Scope.BOTH

    def applies(self, runs: Sequence[Run]) -> bool:
        return any(one.only is None for one in spectra(runs))

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_hparams(spectra(runs), list(dict.fromkeys(run.variant for run in runs)))

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        return TidyTable(
            headings=("variant", "seed", "task", "hyperparameter", "value"),
            rows=tuple((s.variant, s.seed, s.task, s.name, s.value) for s in settings(runs)),
        )
