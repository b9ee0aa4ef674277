"""Tables of a comparison for people, each with its numbers (000, Table 2; 001, Tables 1, 2, 6 and 7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from taskgrove.reports.analyses.comparison import (
    COSTS,
    MEASURES,
    QUALITY,
    Comparison,
    Measure,
    Spread,
    spread,
    task_spread,
)
from taskgrove.reports.analyses.outcome import TaskOutcome
from taskgrove.reports.analyses.paired import LEAST_SEEDS, Difference, best_of, differences
from taskgrove.reports.analyses.tidy import TidyTable, Value
from taskgrove.reports.quantities import human, percent, plural
from taskgrove.reports.words.emphasis import EMPHASIS, emphasised

_MOST_COLUMNS = 12
"""Tasks stand in columns up to this many."""
_LOWER = frozenset({"params_roots_counted", "params_roots_not_counted", "flops"})
"""Measures of which less is better."""
_METERS = (
    "Test %, val %, parameters and FLOPs are means over tasks within a run. Parameters are accounted: each "
    "is divided among the models that share it. With roots counted as sharers (µ2Net+) a frozen root's "
    "layers weigh half for one task, without (muNet) in full. FLOPs count 2 per multiply-add."
)
_HOURS = "Core-hours: how long the device was busy with training, on a CPU of all cores together."
_SPENT = (
    "FLOPs of training are the closed form for forward and backward passes, validations included. Training "
    "time is that of the children; wall time is known of runs that were not interrupted."
)


_DIFFERENCES = (
    "Mean difference to {reference}, which was chosen {why}, over the seeds that both have finished, with "
    "the interval of Student's t. Few seeds make it wide: with three it reaches 2.5 standard deviations to "
    "each side. Where it holds 0, these runs do not tell the two apart. Nothing is corrected for looking at "
    "several variants at once. Variants with fewer than {least} seeds in common are left out."
)
OfTask = Callable[[TaskOutcome], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTable:
    """A table with what is needed to judge it.

    Attributes:
        name: Stem of its file of numbers.
        title: Heading.
        headings: One per column.
        rows: Cells as Markdown, each row as long as `headings`.
        caption: What the cells are, from how many runs, at which budget; Markdown.
        numbers: The same unrounded.
    """

    name: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    numbers: TidyTable


def tables(comparison: Comparison, reference: str | None = None) -> tuple[NamedTable, ...]:
    """All tables of a comparison, as far as its finished runs give them.

    Args:
        comparison: Finished or not.
        reference: Variant that others are compared to, seed by seed; the best by default.

    Raises:
        UnknownNameError: No variant is called `reference`.
    """
    tested = _of_tasks(comparison, "test", "Test accuracy of each task (%)", lambda row: row.test_accuracy)
    validated = _of_tasks(
        comparison, "validation", "Validation accuracy of each task (%)", lambda row: row.val_accuracy
    )
    found = (
        _variants(comparison),
        _differences(comparison, reference),
        *((tested, validated) if comparison.tasks() else ()),
        _spent(comparison),
    )
    return tuple(table for table in found if table is not None)


def budget(comparison: Comparison) -> str:
    """Over how many runs the means are, and what each was allowed to train on."""
    counts = {len(own) for name in comparison.variants if (own := comparison.of(name))}
    if not counts:
        return "No run has finished yet."
    images = [outcome.cost.samples for outcome in comparison.outcomes]
    least, most = human(min(images)), human(max(images))
    trained = most if least == most else f"{least} to {most}"
    seeds = plural(max(counts), "seed") if len(counts) == 1 else f"{min(counts)} to {max(counts)} seeds"
    return f"Mean ± sample standard deviation (n - 1) over {seeds}; each run trained on {trained} images."


def _variants(comparison: Comparison) -> NamedTable:
    paid = tuple(measure for measure in COSTS if measure.name in ("samples", "device_s"))
    most = [max(QUALITY.over(comparison.of(name)), default=None) for name in comparison.variants]
    cells = [emphasised([Spread(mean=value, std=None) for value in most], percent, bare=True)]
    for measure in MEASURES:
        cells.append(emphasised(_spreads(comparison, measure), measure.shown, measure.name in _LOWER))
    cells += [_plain(comparison, measure) for measure in paid]
    return NamedTable(
        name="variants",
        title="Variants",
        headings=("variant", "seeds", "max test %", *(measure.heading for measure in (*MEASURES, *paid))),
        rows=_rows(comparison, cells),
        caption=" ".join((budget(comparison), EMPHASIS.format(where="in each column"), _METERS, _HOURS)),
        numbers=_numbers(comparison, (*MEASURES, *paid)),
    )


def _spent(comparison: Comparison) -> NamedTable:
    return NamedTable(
        name="spent",
        title="What the runs have spent",
        headings=("variant", "seeds", *(measure.heading for measure in COSTS)),
        rows=_rows(comparison, [_plain(comparison, measure) for measure in COSTS]),
        caption=" ".join((budget(comparison), _SPENT, _HOURS)),
        numbers=_numbers(comparison, COSTS),
    )


def _of_tasks(comparison: Comparison, name: str, title: str, of: OfTask) -> NamedTable:
    tasks = comparison.tasks()
    spreads = [[task_spread(comparison.of(v), task, of) for v in comparison.variants] for task in tasks]
    rows = _rows(comparison, [emphasised(column, percent) for column in spreads])
    lines = (("variant", "seeds", *tasks), *rows)
    if len(tasks) > max(_MOST_COLUMNS, len(comparison.variants)):
        lines = (("task", *comparison.variants), *tuple(zip(*lines, strict=True))[1:])
    return NamedTable(
        name=name,
        title=title,
        headings=lines[0],
        rows=lines[1:],
        caption=f"{budget(comparison)} {EMPHASIS.format(where='for each task')}",
        numbers=TidyTable(
            headings=("variant", "task", "seeds", "mean", "std"),
            rows=tuple(
                (variant, task, len(comparison.of(variant)), spread.mean, spread.std)
                for i, variant in enumerate(comparison.variants)
                for task, spread in zip(tasks, (column[i] for column in spreads), strict=True)
            ),
        ),
    )


def _differences(comparison: Comparison, reference: str | None) -> NamedTable | None:
    why = "as the best of those with at least three seeds, so that chance has favoured it"
    chosen, why = (reference, "by name") if reference else (best_of(comparison), why)
    found = differences(comparison, chosen) if chosen else ()
    if not found:
        return None
    return NamedTable(
        name="differences",
        title=f"Test accuracy less that of {chosen}",
        headings=("variant", "seeds in common", "difference (points)", "95 % interval", "told apart"),
        rows=tuple(map(_difference, found)),
        caption=_DIFFERENCES.format(reference=chosen, why=why, least=LEAST_SEEDS),
        numbers=TidyTable(
            headings=("variant", "reference", "seeds", "difference", "low", "high"),
            rows=tuple((d.variant, chosen, len(d.seeds), d.mean, d.low, d.high) for d in found),
        ),
    )


def _difference(found: Difference) -> tuple[str, ...]:
    mean, low, high = (f"{100 * value:+.1f}" for value in (found.mean, found.low, found.high))
    apart = "yes" if found.told_apart else "no"
    return (found.variant, str(len(found.seeds)), mean, f"{low} to {high}", apart)


def _spreads(comparison: Comparison, measure: Measure) -> list[Spread]:
    return [spread(comparison.of(name), measure) for name in comparison.variants]


def _plain(comparison: Comparison, measure: Measure) -> list[str]:
    return [each.text(measure.shown) for each in _spreads(comparison, measure)]


def _rows(comparison: Comparison, columns: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Columns with the variants and their numbers of seeds before them, as rows."""
    seeds = [str(len(comparison.of(name))) for name in comparison.variants]
    return tuple(zip(comparison.variants, seeds, *columns, strict=True))


def _numbers(comparison: Comparison, measures: Sequence[Measure]) -> TidyTable:
    rows: list[tuple[Value, ...]] = []
    for name in comparison.variants:
        for measure in measures:
            values = measure.over(comparison.of(name))
            each = Spread.of(values)
            rows.append((name, measure.name, len(values), each.mean, each.std, max(values, default=None)))
    return TidyTable(headings=("variant", "measure", "seeds", "mean", "std", "max"), rows=tuple(rows))
