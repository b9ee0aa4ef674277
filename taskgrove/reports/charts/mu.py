"""Distributions of the mutation probabilities µ, by action (µ2Net+, Figure 7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar, final

from matplotlib.figure import Figure

from taskgrove.mutations.mu import MU
from taskgrove.reports.analyses.mu import Probability, probabilities
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import AbstractStill, Scope
from taskgrove.reports.drawing.distributions import Distribution, draw_distributions
from taskgrove.reports.drawing.names import plain_kind, plain_name

_ORDER = ("clone", "insert", "remove", "regrow", "hp")
_NAMED = (0.02, 0.1, 0.2, 0.3)
"""Values with a name on the axis; so many fit without turning them upright."""


def draw_mu(found: Sequence[Probability], variants: Sequence[str]) -> Figure:
    """A histogram for each kind of action.

    Args:
        found: Of all models.
        variants: In order.
    """
    usual = tuple(map(float, MU.values))
    values = sorted({*usual, *(one.value for one in found)})
    groups = dict.fromkeys(one.group for one in found)
    panels = [
        Distribution(
            title=_title(group),
            ticks=tuple(f"{v:g}" if v in _NAMED or v not in usual else "" for v in values),
            shares=_shares([one for one in found if one.group == group], values),
        )
        for group in sorted(groups, key=_rank)
    ]
    return draw_distributions(
        panels,
        [variant for variant in variants if any(one.variant == variant for one in found)],
        across="probability µ of the mutation",
        up="share of the probabilities",
        foot=_moved(found),
        nothing="No model's method draws mutations with a probability µ.",
    )


def _rank(group: str) -> tuple[int, str]:
    """Clones as they come, from the input on; hyperparameters by name."""
    kind = group.partition(":")[0]
    rank = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
    return rank, group if kind == "hp" else ""


def _title(group: str) -> str:
    kind, _, what = group.partition(":")
    return (
        f"change: {plain_name(what).removeprefix('change of ')}"
        if kind == "hp"
        else f"{kind}: {plain_kind(what)}"
    )


def _shares(found: Sequence[Probability], values: Sequence[float]) -> Mapping[str, Sequence[float]]:
    counts: dict[str, Counter[float]] = {}
    for one in found:
        counts.setdefault(one.variant, Counter())[one.value] += 1
    return {name: [count[value] / count.total() for value in values] for name, count in counts.items()}


def _moved(found: Sequence[Probability]) -> str:
    """How much of what is shown has been learned at all."""
    totals = Counter(one.variant for one in found)
    moved = Counter(one.variant for one in found if one.moved)
    parts = (f"{name} {moved[name] / total:.0%}".strip() for name, total in totals.items())
    return f"Probabilities that have ever moved from their initial value: {'; '.join(parts)}."


@final
class MuChart(AbstractStill):
    """How likely each mutation has become (000, Figure 7)."""

    name: ClassVar[str] = "mu"
    title: ClassVar[str] = "Mutation probabilities"
    summary: ClassVar[str] = "the learned probability µ of each kind of mutation (000, Fig. 7)"
    caption: ClassVar[str] = (
        "µ is the probability of a mutation when a model has a child. µ2Net+ learns one for each mutation "
        "and model: they begin at 0.2, move in steps of 0.02 and are inherited; those that have not moved "
        "count with 0.2. Methods that learn none have the same µ for all mutations of a model. Layers of a "
        "kind are in one histogram; mutations that no child of the run has shown are missing."
    )
    scope: ClassVar[Scope] = Scope.BOTH

    def applies(self, runs: Sequence[Run]) -> bool:
        return bool(probabilities(runs))

    def draw(self, runs: Sequence[Run]) -> Figure:
        return draw_mu(probabilities(runs), list(dict.fromkeys(run.variant for run in runs)))

    def tabulate(self, runs: Sequence[Run]) -> TidyTable:
        return TidyTable(
            headings=("variant", "seed", "task", "action", "group", "mu", "moved"),
            rows=tuple(
                (p.variant, p.seed, p.task, p.action, p.group, p.value, int(p.moved))
                for p in probabilities(runs)
            ),
        )
