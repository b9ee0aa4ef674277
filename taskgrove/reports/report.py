"""A report as a folder: one page, its pictures, and the numbers for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from taskgrove.domain.records import Commit
from taskgrove.domain.view import SystemView
from taskgrove.reports.curves import draw_progress
from taskgrove.reports.draw_graph import draw_graph
from taskgrove.reports.figures import png, svg
from taskgrove.reports.files import write_files
from taskgrove.reports.page import page
from taskgrove.reports.size import draw_size
from taskgrove.reports.table import Evaluations, TaskRow, as_json, per_task, totals


def write_report(
    folder: Path, view: SystemView, history: Sequence[Commit], evaluations: Evaluations, title: str
) -> tuple[Path, ...]:
    """Write or renew a report.

    Files: `report.md`, `graph`, `progress` and `size` as `.png` and `.svg`, `tasks.json`,
    `tasks.csv`. Each is replaced as a whole; other files in the folder are left alone.

    Args:
        folder: Made when missing.
        view: The system; may be empty or partial.
        history: Its log from the start; an empty one gives a report without a search history.
        evaluations: Test accuracies by model and split.
        title: Of the page.

    Returns:
        The written files, the page first.

    Raises:
        BadValueError: The path, or a parent of it, is a file.
        EnvironmentFailure: The folder cannot be written.
    """
    rows, total = per_task(view, evaluations), totals(view, evaluations)
    contents = {"report.md": page(view, history, rows, total, title).encode()}
    figures = {
        "graph": draw_graph(view),
        "progress": draw_progress(history, tasks=view.tasks),
        "size": draw_size(rows),
    }
    for name, figure in figures.items():
        contents[f"{name}.png"] = png(figure, dpi=110)
        contents[f"{name}.svg"] = svg(figure)
    contents["tasks.json"] = (json.dumps(as_json(rows, total), indent=1) + "\n").encode()
    contents["tasks.csv"] = _csv(rows).encode()
    return write_files(folder, contents)


def _csv(rows: Sequence[TaskRow]) -> str:
    """Numbers unrounded, unknown ones empty; `shared_with` as `task=count` separated by spaces."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        (
            *("task", "model", "num_classes", "val_accuracy", "test_accuracy", "num_params"),
            *("accounted_params", "flops", "num_layers", "iterations", "shared_with_roots", "shared_with"),
        )
    )
    for row in rows:
        sharing = " ".join(f"{task}={count}" for task, count in row.shared_with.items())
        writer.writerow(
            (
                *(row.task, row.model, row.num_classes, row.val_accuracy, row.test_accuracy, row.num_params),
                *(row.accounted_params, row.flops, row.num_layers, row.iterations),
                *(row.shared_with_roots, sharing),
            )
        )
    return out.getvalue()
