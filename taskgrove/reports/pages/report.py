"""A report as a folder: a page that works from disk, its pictures, and the numbers for other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from taskgrove.domain.errors import BadValueError
from taskgrove.reports.analyses.bindings import bindings
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tasks import TaskRow, per_task, totals
from taskgrove.reports.analyses.tidy import TidyTable
from taskgrove.reports.analyses.worth import worths
from taskgrove.reports.base import AbstractChart, Scope
from taskgrove.reports.pages.choice import EVERYTHING, Choice
from taskgrove.reports.pages.files import write_files
from taskgrove.reports.pages.html import as_html
from taskgrove.reports.pages.markdown import as_markdown
from taskgrove.reports.pages.section import Picture, Section
from taskgrove.reports.pages.system import beside, closing, summary
from taskgrove.reports.words import binding_table
from taskgrove.reports.words.table import as_json

Told = Callable[[str, int, int], None]
"""Told what is being done (`charts`, `runs`), how many are done, of how many."""
Contents = dict[str, bytes]
_CHARTS = "charts"

_TASKS = (
    *("task", "model", "num_classes", "val_accuracy", "test_accuracy", "num_params"),
    *("accounted_params", "flops", "num_layers", "iterations", "shared_with_roots", "shared_with"),
)


def write_report(
    folder: Path,
    run: Run,
    title: str,
    choice: Choice = EVERYTHING,
    told: Told | None = None,
) -> tuple[Path, ...]:
    """Write or renew the report of one system.

    Files: the page as `index.html` and `report.md`, charts in `pictures/`, the numbers behind each in
    `tables/`, with `tasks` and, where bind-and-grow was at work, `bindings.json`. Each is replaced as a
    whole; other files in the folder are left alone.

    Args:
        folder: Made when missing.
        run: The system.
        title: Of the page.
        choice: Which charts and formats.
        told: How far it is.

    Returns:
        The written files, the page first.

    Raises:
        UnknownNameError: A chart of one system has not that name.
        BadValueError: The path, or a parent of it, is a file; or there is nothing to write.
        EnvironmentFailure: The folder cannot be written.
    """
    contents, charts = drawn((run,), choice, Scope.SYSTEM, told)
    texts = {} if choice.only else beside(run)
    said = (_with(section, texts.get(name, ())) for name, section in charts.items())
    sections = [section for section in said if section.parts]
    if not choice.only:
        contents |= _numbers(run, choice)
        sections = [summary(run), *sections, *closing(run)]
    return put(folder, {**pages(title, sections, choice), **contents}, choice)


def put(folder: Path, contents: Contents, choice: Choice) -> tuple[Path, ...]:
    """Write the files; raises BadValueError when there are none, and what `write_files` raises."""
    if not contents:
        wanted, formats = ", ".join(choice.only) or "this", ", ".join(sorted(choice.formats))
        raise BadValueError(
            f"A report of {wanted} in the formats {formats} has no file. Ask for html or csv as well, which "
            "every report has, or for svg, which every chart but an animation has."
        )
    return write_files(folder, contents)


def drawn(
    runs: Sequence[Run], choice: Choice, scope: Scope, told: Told | None
) -> tuple[Contents, dict[str, Section]]:
    """The charts' files by path, and the section of each by its name; arguments as in `write_report`."""
    contents: Contents = {}
    sections: dict[str, Section] = {}
    charts = choice.charts(runs, scope)
    for done, chart in enumerate(charts):
        if told is not None:
            told(_CHARTS, done, len(charts))
        pictures = _pictures(chart, runs, choice)
        numbers = _tables(chart, runs) if "csv" in choice.formats else {}
        contents |= pictures | numbers
        picture = Picture(
            title=chart.title, caption=chart.caption, files=tuple(pictures), numbers=next(iter(numbers), None)
        )
        # A caption without anything to look at would stand alone, as that of an animation among SVGs.
        sections[chart.name] = Section(title=chart.title, parts=(picture,) if pictures or numbers else ())
    return contents, sections


def pages(title: str, sections: Sequence[Section], choice: Choice) -> Contents:
    """The page in the formats that are wanted, by file name."""
    contents: Contents = {}
    if "html" in choice.formats:
        contents["index.html"] = as_html(title, sections).encode()
    if "md" in choice.formats:
        contents["report.md"] = as_markdown(title, sections).encode()
    return contents


def _pictures(chart: AbstractChart, runs: Sequence[Run], choice: Choice) -> Contents:
    wanted = [suffix for suffix in chart.formats if suffix in choice.formats]
    files: Mapping[str, bytes] = chart.render(runs, wanted) if wanted else {}
    return {f"pictures/{chart.name}.{suffix}": files[suffix] for suffix in wanted}


def _tables(chart: AbstractChart, runs: Sequence[Run]) -> Contents:
    return {f"tables/{chart.name}.csv": chart.tabulate(runs).as_csv()}


def _with(section: Section, parts: Iterable[str]) -> Section:
    return Section(title=section.title, parts=(*section.parts, *parts))


def _numbers(run: Run, choice: Choice) -> Contents:
    rows, total = per_task(run.view, run.evaluations), totals(run.view, run.evaluations)
    contents: Contents = {}
    if "csv" in choice.formats:
        table = TidyTable(headings=_TASKS, rows=tuple(map(_task_line, rows)))
        contents["tables/tasks.csv"] = table.as_csv()
    if "json" in choice.formats:
        contents["tables/tasks.json"] = _json(as_json(rows, total))
        if bound := bindings(run.history, run.usual):
            contents["tables/bindings.json"] = _json(binding_table.as_json(bound, worths(run.history)))
    return contents


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _task_line(row: TaskRow) -> tuple[str | int | float | None, ...]:
    """`shared_with` as `task=count` separated by spaces."""
    sharing = " ".join(f"{task}={count}" for task, count in row.shared_with.items())
    return (
        *(row.task, row.model, row.num_classes, row.val_accuracy, row.test_accuracy, row.num_params),
        *(row.accounted_params, row.flops, row.num_layers, row.iterations),
        *(row.shared_with_roots, sharing),
    )
