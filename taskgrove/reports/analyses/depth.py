"""How likely layers are cloned, by how deep they lie (µ2Net+, Figure 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taskgrove.domain.ids import SlotName
from taskgrove.reports.analyses.comparison import Spread
from taskgrove.reports.analyses.mu import probabilities
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tasks import is_layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """µ of cloning one layer, over the models that have it.

    Attributes:
        depth: 0 for the layer next to the input, as the root has them.
        slot: The layer.
        count: Models that have it.
        mean: Of their µ.
        std: Sample standard deviation; None for a single model.
    """

    depth: int
    slot: SlotName
    count: int
    mean: float
    std: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """µ of cloning layers by their depth.

    Attributes:
        variant: Label.
        seed: None for all runs of the variant together, and for a system on its own.
        depths: From the input on; at least one.
        slope, intercept: Of the straight line with the least squared distance to the means; None for
            a single depth.
    """

    variant: str
    seed: int | None
    depths: tuple[Depth, ...]
    slope: float | None
    intercept: float | None


def trends(runs: Sequence[Run]) -> list[Trend]:
    """For each variant, over all models of all of its runs.

    Variants whose methods clone no layer by chance are left out.
    """
    variants = dict.fromkeys(run.variant for run in runs)
    found = (_trend([run for run in runs if run.variant == variant], None) for variant in variants)
    return [trend for trend in found if trend is not None]


def trends_by_seed(runs: Sequence[Run]) -> list[Trend]:
    """For each run on its own."""
    return [trend for run in runs if (trend := _trend([run], run.seed)) is not None]


def _trend(runs: Sequence[Run], seed: int | None) -> Trend | None:
    values: dict[SlotName, list[float]] = {}
    for one in probabilities(runs):
        if one.slot is not None:
            values.setdefault(one.slot, []).append(one.value)
    depths = tuple(
        _depth(depth, slot, values[slot]) for depth, slot in enumerate(_layers(runs)) if slot in values
    )
    line = _line(depths) if len(depths) > 1 else None
    return (
        Trend(
            variant=runs[0].variant,
            seed=seed,
            depths=depths,
            slope=line[0] if line else None,
            intercept=line[1] if line else None,
        )
        if depths
        else None
    )


def _layers(runs: Sequence[Run]) -> list[SlotName]:
    """All layers from the input on: those of the roots first, since models lose some of them."""
    models = [model for run in runs for model in run.view.published()]
    return list(dict.fromkeys(c.slot for model in models for c in model.components if is_layer(c)))


def _depth(depth: int, slot: SlotName, values: Sequence[float]) -> Depth:
    spread = Spread.of(values)
    assert spread.mean is not None
    return Depth(depth=depth, slot=slot, count=len(values), mean=spread.mean, std=spread.std)


def _line(depths: Sequence[Depth]) -> tuple[float, float]:
    """Slope and intercept; every depth has the same weight, as in the paper."""
    slope, intercept = np.polyfit([one.depth for one in depths], [one.mean for one in depths], 1)
    return float(slope), float(intercept)
