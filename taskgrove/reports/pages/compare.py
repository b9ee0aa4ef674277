"""A comparison as files: a page, its picture, and the numbers for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from taskgrove.reports.analyses.comparison import (
    COSTS,
    MEASURES,
    Comparison,
    Measure,
    as_json,
    spread,
    task_spread,
)
from taskgrove.reports.analyses.outcome import Outcome
from taskgrove.reports.charts.pareto import draw_comparison
from taskgrove.reports.drawing.figures import png
from taskgrove.reports.pages.files import write_files
from taskgrove.reports.quantities import percent, plural

_NOTES = (
    "Mean ± sample standard deviation over seeds (n - 1). Test %, parameters and FLOPs are means over tasks "
    "within a run. Parameters are accounted: each is divided among the models that share it. With roots "
    "counted as sharers (µ2Net+) a frozen root's layers weigh half for one task, without (muNet) in full. "
    "FLOPs count 2 per multiply-add; those of training are the closed form for forward and backward "
    "passes, validations included. Training time is that of the children; wall time is known of runs "
    "that were not interrupted."
)


def write_comparison(folder: Path, comparison: Comparison) -> tuple[Path, ...]:
    """Write or renew `compare.md`, `.json`, `.csv` and `.png`; returns the files, the page first.

    Raises:
        BadValueError: The path, or a parent of it, is a file.
        EnvironmentFailure: The folder cannot be written.
    """
    return write_files(
        folder,
        {
            "compare.md": page(comparison).encode(),
            "compare.json": (json.dumps(as_json(comparison), indent=1) + "\n").encode(),
            "compare.csv": as_csv(comparison.outcomes).encode(),
            "compare.png": png(draw_comparison(comparison), dpi=110),
        },
    )


def page(comparison: Comparison) -> str:
    """The tables with what is needed to judge them, as Markdown."""
    done, wanted = len(comparison.outcomes), len(comparison.variants) * len(comparison.seeds)
    seeds = ", ".join(map(str, comparison.seeds))
    sections = [
        f"# {comparison.title}",
        f"{plural(len(comparison.variants), 'variant')}, seeds {seeds} (search and root): {done} of "
        f"{plural(wanted, 'run')} finished.",
        *(f"**{run} failed**: {why}" for run, why in comparison.failures),
        _table(comparison, MEASURES),
        "![quality against size and compute](compare.png)",
        "## Test accuracy of each task (%)",
        _tasks(comparison),
        "## What the runs have spent",
        _table(comparison, COSTS),
        _NOTES,
        "## Conditions",
        "\n".join(f"- {line}" for line in dict.fromkeys(o.conditions for o in comparison.outcomes)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def as_csv(outcomes: Sequence[Outcome]) -> str:
    """One row per variant, seed and task; numbers unrounded, unknown ones empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        (
            *("variant", "seed", "task", "test_accuracy", "val_accuracy", "params_roots_not_counted"),
            *("params_roots_counted", "flops"),
        )
    )
    for outcome in outcomes:
        for row in outcome.tasks:
            accuracies = (row.test_accuracy, row.val_accuracy)
            sizes = (row.params_roots_not_counted, row.params_roots_counted, row.flops)
            writer.writerow((outcome.variant, outcome.seed, row.task, *accuracies, *sizes))
    return out.getvalue()


def _table(comparison: Comparison, measures: Sequence[Measure]) -> str:
    headings = ("variant", "seeds", *(measure.heading for measure in measures))
    rows = []
    for name in comparison.variants:
        own = comparison.of(name)
        rows.append((name, str(len(own)), *(spread(own, m).text(m.shown) for m in measures)))
    return _markdown(headings, rows)


def _tasks(comparison: Comparison) -> str:
    tasks = comparison.tasks()
    rows = []
    for name in comparison.variants:
        own = comparison.of(name)
        rows.append((name, *(task_spread(own, task).text(percent) for task in tasks)))
    return _markdown(("variant", *tasks), rows) if tasks else ""


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ("---", *("---:" for _ in headings[1:])), *rows]
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
