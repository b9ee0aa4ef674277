"""A report as a folder: one page, its pictures, and the numbers for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import MappingProxyType

from matplotlib.figure import Figure

from taskgrove.domain.records import AddMetrics, Commit
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.bindings import Binding, Options, bindings
from taskgrove.reports.analyses.history import measured
from taskgrove.reports.analyses.knowledge import HEADINGS, flow_rows, knowledge_flow
from taskgrove.reports.analyses.tasks import Evaluations, TaskRow, per_task, totals
from taskgrove.reports.analyses.worth import worths
from taskgrove.reports.charts.conflicts import draw_layer_conflicts, draw_task_conflicts
from taskgrove.reports.charts.cost import draw_size
from taskgrove.reports.charts.graph import draw_graph
from taskgrove.reports.charts.metrics import draw_metrics
from taskgrove.reports.charts.progress import draw_progress
from taskgrove.reports.drawing.figures import png, svg
from taskgrove.reports.pages.files import write_files
from taskgrove.reports.pages.page import page
from taskgrove.reports.words import binding_table
from taskgrove.reports.words.table import as_json

_TASK_HEADINGS = (
    *("task", "model", "num_classes", "val_accuracy", "test_accuracy", "num_params"),
    *("accounted_params", "flops", "num_layers", "iterations", "shared_with_roots", "shared_with"),
)


def write_report(
    folder: Path,
    view: SystemView,
    history: Sequence[Commit],
    evaluations: Evaluations,
    title: str,
    usual: Options = MappingProxyType({}),
) -> tuple[Path, ...]:
    """Write or renew a report.

    Files: `report.md`, `graph`, `progress`, `size` and `metrics` as `.png` and `.svg`, `tasks.json`,
    `tasks.csv`, `metrics.csv`, `knowledge.csv`; where bind-and-grow was at work, also `conflicts` and
    `layers` as pictures, and `bindings.json`. Each is replaced as a whole; other files in the folder are
    left alone.

    Args:
        folder: Made when missing.
        view: The system; may be empty or partial.
        history: Its log from the start; an empty one gives a report without a search history.
        evaluations: Test accuracies by model and split.
        title: Of the page.
        usual: Options of bind-and-grow where an experiment gives none.

    Returns:
        The written files, the page first.

    Raises:
        BadValueError: The path, or a parent of it, is a file.
        EnvironmentFailure: The folder cannot be written.
    """
    rows, total, found = per_task(view, evaluations), totals(view, evaluations), measured(history)
    contents = {"report.md": page(view, history, rows, total, title).encode()}
    figures = {
        "graph": draw_graph(view),
        "progress": draw_progress(history, tasks=view.tasks),
        "size": draw_size(rows),
        "metrics": draw_metrics(found),
    }
    if bound := bindings(history, usual):
        figures |= _conflicts(bound, view)
        told = binding_table.as_json(bound, worths(history))
        contents["bindings.json"] = (json.dumps(told, indent=1) + "\n").encode()
    for name, figure in figures.items():
        contents[f"{name}.png"] = png(figure, dpi=110)
        contents[f"{name}.svg"] = svg(figure)
    contents["tasks.json"] = (json.dumps(as_json(rows, total), indent=1) + "\n").encode()
    contents["tasks.csv"] = _csv([_TASK_HEADINGS, *map(_task_line, rows)])
    contents["metrics.csv"] = _csv(_metrics_lines(found))
    contents["knowledge.csv"] = _csv([HEADINGS, *flow_rows(knowledge_flow(view))])
    return write_files(folder, contents)


def _conflicts(found: Sequence[Binding], view: SystemView) -> dict[str, Figure]:
    of_models = binding_table.of_models(found)
    return {
        "conflicts": draw_task_conflicts(of_models, view.tasks),
        "layers": draw_layer_conflicts(of_models, view.tasks),
    }


def _task_line(row: TaskRow) -> Sequence[object]:
    """`shared_with` as `task=count` separated by spaces."""
    sharing = " ".join(f"{task}={count}" for task, count in row.shared_with.items())
    return (
        *(row.task, row.model, row.num_classes, row.val_accuracy, row.test_accuracy, row.num_params),
        *(row.accounted_params, row.flops, row.num_layers, row.iterations),
        *(row.shared_with_roots, sharing),
    )


def _metrics_lines(found: Sequence[AddMetrics]) -> list[Sequence[object]]:
    """One line per task iteration of the system, after the headings."""
    names = sorted({name for metrics in found for name in metrics.values})
    lines: list[Sequence[object]] = [("experiment", "task", "iteration", *names)]
    for metrics in found:
        values = (metrics.values.get(name) for name in names)
        lines.append((metrics.experiment, metrics.task, metrics.iteration, *values))
    return lines


def _csv(lines: Iterable[Sequence[object]]) -> bytes:
    """Numbers unrounded, unknown ones empty."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue().encode()
