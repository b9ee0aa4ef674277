"""A comparison as files: its page while it is at work, and its report with the charts of all runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from taskgrove.reports.analyses.comparison import Comparison, as_json
from taskgrove.reports.analyses.outcome import Outcome
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.base import Scope
from taskgrove.reports.charts.pareto import ParetoChart, draw_comparison
from taskgrove.reports.drawing.figures import png
from taskgrove.reports.pages.choice import EVERYTHING, Choice
from taskgrove.reports.pages.files import write_files
from taskgrove.reports.pages.markdown import as_markdown
from taskgrove.reports.pages.report import Contents, Told, drawn, pages, put
from taskgrove.reports.pages.section import Picture, Section, grid
from taskgrove.reports.quantities import plural
from taskgrove.reports.words.comparison import NamedTable, tables


def write_comparison(folder: Path, comparison: Comparison) -> tuple[Path, ...]:
    """Write or renew `compare.md`, `.json`, `.csv` and `.png`, and the numbers of every table.

    Returns:
        The files, the page first.

    Raises:
        BadValueError: The path, or a parent of it, is a file.
        EnvironmentFailure: The folder cannot be written.
    """
    numbers = {f"compare-{table.name}.csv": table.numbers.as_csv() for table in tables(comparison)}
    return write_files(
        folder,
        {
            "compare.md": page(comparison).encode(),
            "compare.json": (json.dumps(as_json(comparison), indent=1) + "\n").encode(),
            "compare.csv": as_csv(comparison.outcomes),
            "compare.png": png(draw_comparison(comparison), dpi=110),
            **numbers,
        },
    )


def write_runs_report(
    folder: Path,
    comparison: Comparison,
    runs: Sequence[Run],
    choice: Choice = EVERYTHING,
    told: Told | None = None,
) -> tuple[Path, ...]:
    """Write or renew the report of a comparison: as `write_report`, with variants side by side.

    Args:
        folder: Made when missing.
        comparison: Finished or not.
        runs: Its finished runs, in order of variant and seed.
        choice: Which charts and formats.
        told: How far it is.

    Raises:
        UnknownNameError: A chart of runs side by side has not that name.
        BadValueError: The path, or a parent of it, is a file.
        EnvironmentFailure: The folder cannot be written.
    """
    contents, charts = drawn(runs, choice, Scope.RUNS, told)
    shown = [section for section in charts.values() if section.parts]
    if not choice.only:
        contents |= _numbers(comparison, choice)
        shown = sections(comparison, shown)
    return put(folder, {**pages(comparison.title, shown, choice), **contents}, choice)


def page(comparison: Comparison) -> str:
    """The tables with what is needed to judge them, as Markdown."""
    shown = Picture(title=ParetoChart.title, caption=ParetoChart.caption, files=("compare.png",))
    chart = Section(title=ParetoChart.title, parts=(shown,))
    return as_markdown(comparison.title, sections(comparison, [chart]))


def sections(comparison: Comparison, charts: Sequence[Section]) -> list[Section]:
    """What is said about a comparison, with its charts behind the table of variants."""
    done, wanted = len(comparison.outcomes), len(comparison.variants) * len(comparison.seeds)
    seeds = ", ".join(map(str, comparison.seeds))
    state = (
        f"{plural(len(comparison.variants), 'variant')}, seeds {seeds} (search and root): {done} of "
        f"{plural(wanted, 'run')} finished."
    )
    failures = tuple(f"**{run} failed**: {why}" for run, why in comparison.failures)
    first, *others = map(_section, tables(comparison))
    conditions = [f"- {line}" for line in dict.fromkeys(o.conditions for o in comparison.outcomes)]
    return [
        Section(title="", parts=(state, *failures)),
        first,
        *charts,
        *others,
        Section(title="Conditions", parts=("\n".join(conditions),)),
    ]


def as_csv(outcomes: Sequence[Outcome]) -> bytes:
    """One row per variant, seed and task; numbers unrounded, unknown ones empty."""
    return TidyTable(
        headings=(
            *("variant", "seed", "task", "test_accuracy", "val_accuracy", "params_roots_not_counted"),
            *("params_roots_counted", "flops"),
        ),
        rows=tuple(
            (
                *(outcome.variant, outcome.seed, row.task, row.test_accuracy, row.val_accuracy),
                *(row.params_roots_not_counted, row.params_roots_counted, row.flops),
            )
            for outcome in outcomes
            for row in outcome.tasks
        ),
    ).as_csv()


def _numbers(comparison: Comparison, choice: Choice) -> Contents:
    contents: Contents = {}
    if "csv" in choice.formats:
        contents["tables/runs.csv"] = as_csv(comparison.outcomes)
        contents |= {f"tables/{table.name}.csv": table.numbers.as_csv() for table in tables(comparison)}
    if "json" in choice.formats:
        contents["tables/runs.json"] = (json.dumps(as_json(comparison), indent=1) + "\n").encode()
    return contents


def _section(table: NamedTable) -> Section:
    return Section(title=table.title, parts=(grid(table.headings, table.rows, numbers=True), table.caption))
