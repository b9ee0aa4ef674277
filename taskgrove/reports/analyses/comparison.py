"""Variants of an experiment side by side: what their runs gave, as mean and spread over seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from types import MappingProxyType

import msgspec

from taskgrove.reports.analyses.outcome import Outcome, TaskOutcome, outcome_of
from taskgrove.reports.analyses.run import Run, Settings
from taskgrove.reports.quantities import MISSING, duration, human, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Values over seeds.

    Attributes:
        mean: None when no value is known.
        std: Sample standard deviation (n - 1); None for fewer than two values.
    """

    mean: float | None
    std: float | None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread:
        """Of the values that are known.

        Example:
            >>> Spread.of([1.0, None, 3.0])
            Spread(mean=2.0, std=1.4142135623730951)
        """
        known = [value for value in values if value is not None]
        return cls(mean=fmean(known) if known else None, std=stdev(known) if len(known) > 1 else None)

    def text(self, shown: Callable[[float | None], str]) -> str:
        """Mean ± standard deviation as people read them; a dash for what is not known.

        Example:
            >>> Spread(mean=0.712, std=0.004).text(percent), Spread(mean=0.712, std=None).text(percent)
            ('71.2 ± 0.4', '71.2 ± –')
        """
        return MISSING if self.mean is None else f"{shown(self.mean)} ± {shown(self.std)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number of a run that is compared.

    Attributes:
        name: In files for programs.
        heading: In tables for people.
        of: The number of a run.
        shown: The number as people read it.
    """

    name: str
    heading: str
    of: Callable[[Outcome], float | None]
    shown: Callable[[float | None], str]

    def over(self, outcomes: Sequence[Outcome]) -> list[float]:
        """What is known of runs."""
        return [value for outcome in outcomes if (value := self.of(outcome)) is not None]


def _hours(seconds: float | None) -> str:
    return MISSING if seconds is None else f"{seconds / 3600:.2f}"


def _minutes(seconds: float | None) -> str:
    return MISSING if seconds is None else duration(seconds)


QUALITY = Measure(name="test_accuracy", heading="test %", of=lambda o: o.test_accuracy, shown=percent)

MEASURES = (
    QUALITY,
    Measure(name="val_accuracy", heading="val %", of=lambda o: o.val_accuracy, shown=percent),
    Measure(
        name="params_roots_counted",
        heading="params/task, roots counted",
        of=lambda o: o.params_roots_counted,
        shown=human,
    ),
    Measure(
        name="params_roots_not_counted",
        heading="params/task, roots not counted",
        of=lambda o: o.params_roots_not_counted,
        shown=human,
    ),
    Measure(name="flops", heading="FLOPs/image", of=lambda o: o.flops, shown=human),
)
"""Of the systems, means over tasks."""

COSTS = (
    Measure(name="children", heading="children", of=lambda o: o.cost.children, shown=human),
    Measure(name="failed", heading="failed", of=lambda o: o.cost.failed, shown=human),
    Measure(name="samples", heading="training images", of=lambda o: o.cost.samples, shown=human),
    Measure(name="train_flops", heading="training FLOPs", of=lambda o: o.cost.train_flops, shown=human),
    Measure(name="train_s", heading="training time", of=lambda o: o.cost.train_s, shown=_minutes),
    Measure(name="wall_s", heading="wall time", of=lambda o: o.cost.wall_s, shown=_minutes),
    Measure(name="device_s", heading="core-hours", of=lambda o: o.cost.device_s, shown=_hours),
)
"""What the runs have spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is known so far.

    Attributes:
        title: Of the page.
        variants: Labels in the order of the file.
        seeds: Wanted of each.
        outcomes: Of the runs that are finished.
        failures: Why others could not be, by run.
        settings: Of each variant, those that tell it from others at least; what is not known is missing.
    """

    title: str
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    outcomes: tuple[Outcome, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, Settings] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, variant: str) -> list[Outcome]:
        """Finished runs of a variant, in order of seed."""
        own = (outcome for outcome in self.outcomes if outcome.variant == variant)
        return sorted(own, key=lambda outcome: outcome.seed)

    def tasks(self) -> list[str]:
        """Every task of any run, in order of first appearance."""
        ordered = (o for variant in self.variants for o in self.of(variant))
        return list(dict.fromkeys(task.task for outcome in ordered for task in outcome.tasks))


def gathered(runs: Sequence[Run], title: str = "") -> Comparison:
    """Runs side by side, as far as their systems tell: not their wall time, nor what they ran on.

    Args:
        runs: In order of variant and seed.
        title: Of the comparison.
    """
    return Comparison(
        title=title,
        variants=tuple(dict.fromkeys(run.variant for run in runs)),
        seeds=tuple(sorted({run.seed or 0 for run in runs})),
        outcomes=tuple(map(_outcome, runs)),
        settings={run.variant: run.settings for run in runs if run.settings},
    )


def _outcome(run: Run) -> Outcome:
    return outcome_of(
        run.view,
        run.evaluations,
        run.history,
        variant=run.variant,
        seed=run.seed or 0,
        identity="",
        conditions="",
        wall_s=None,
    )


def spread(outcomes: Sequence[Outcome], measure: Measure) -> Spread:
    """A measure over runs."""
    return Spread.of(measure.over(outcomes))


def task_spread(outcomes: Sequence[Outcome], task: str, of: Callable[[TaskOutcome], float | None]) -> Spread:
    """What one task reached, over runs."""
    return Spread.of(of(row) for o in outcomes for row in o.tasks if row.task == task)


def distinguishing(settings: Mapping[str, Settings]) -> dict[str, Settings]:
    """Of the variants' settings those that are not the same for all."""
    places = dict.fromkeys(place for own in settings.values() for place in own)
    differ = [place for place in places if len({own.get(place) for own in settings.values()}) > 1]
    return {name: {place: own[place] for place in differ if place in own} for name, own in settings.items()}


def as_json(comparison: Comparison) -> dict[str, object]:
    """Means and spreads of every variant, and every run, unrounded."""
    return {
        "title": comparison.title,
        "seeds": list(comparison.seeds),
        "variants": [_variant(comparison, name) for name in comparison.variants],
        "runs": msgspec.to_builtins(comparison.outcomes),
        "failures": dict(comparison.failures),
    }


def _variant(comparison: Comparison, name: str) -> dict[str, object]:
    own = comparison.of(name)
    numbers = {m.name: msgspec.to_builtins(spread(own, m)) for m in (*MEASURES, *COSTS)}
    return {
        "name": name,
        "seeds": [outcome.seed for outcome in own],
        **numbers,
        "max_test_accuracy": max(QUALITY.over(own), default=None),
        "settings": dict(comparison.settings.get(name, {})),
    }
