"""Every chart of one system, drawn of a large synthetic one and timed (000, Fig. 4: 124 tasks, 24 blocks).

    python -m benchmarks.figures --tasks 124 --blocks 24 --out figures

The history is that of the real agent and coordinator on a store in memory; only the training is pretended.
The exit status is 1 when a chart takes too long.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import torch

from benchmarks.measure import machine
from benchmarks.page import Page, Row, save
from taskgrove.domain.records import FinishChild
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.base import AbstractChart, Scope
from taskgrove.reports.charts import CHARTS, in_order
from taskgrove.reports.pages.files import write_files
from taskgrove.testing.big import BigSystem, grow_big

LIMIT_S = 10.0


def drawn(chart: AbstractChart, run: Run, folder: Path) -> Row:
    """Draw a chart in all its formats and keep the files."""
    start = perf_counter()
    table = chart.tabulate([run])
    tabulated_s = perf_counter() - start
    files = dict(chart.render([run], chart.formats))
    seconds = perf_counter() - start
    write_files(folder, {f"{chart.name}.{suffix}": data for suffix, data in files.items()})
    return {
        "chart": chart.name,
        "s": seconds,
        "numbers, s": tabulated_s,
        "rows": len(table.rows),
        "MB": " + ".join(f"{len(data) / 1e6:.2f} {suffix}" for suffix, data in files.items()),
    }


def chosen(names: Sequence[str]) -> Iterator[AbstractChart]:
    """The charts of one system, or those that are asked for."""
    for chart in map(CHARTS.__getitem__, names) if names else in_order():
        if chart.scope is not Scope.RUNS:
            yield chart


def measure(arguments: argparse.Namespace) -> tuple[Page, bool]:
    """Grow, draw, describe; and whether all charts were in time."""
    conditions = machine(torch.device("cpu"), 1)
    start = perf_counter()
    run = grow_big(BigSystem(tasks=arguments.tasks, blocks=arguments.blocks))
    grown_s = perf_counter() - start
    rows = [drawn(chart, run, arguments.out) for chart in chosen(arguments.only)]
    late = [str(row["chart"]) for row in rows if float(row["s"]) > arguments.limit]
    page = Page(
        title=f"Charts of a system of {arguments.tasks} tasks and {arguments.blocks} blocks",
        conditions={
            **conditions,
            "commits": len(run.history),
            "children": sum(isinstance(commit.operation, FinishChild) for commit in run.history),
            "growing the system, s": grown_s,
        },
        tables={"In all formats": rows},
        notes=[f"Over {arguments.limit:g} s: {', '.join(late) or 'none'}."],
    )
    return page, not late


def main(given: list[str] | None = None) -> None:
    """Read the command line, draw, keep the pictures and the page; exits with 1 when one took too long."""
    reader = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    reader.add_argument("--out", type=Path, required=True, help="folder of the pictures and of the page")
    reader.add_argument("--tasks", type=int, default=124)
    reader.add_argument("--blocks", type=int, default=24)
    reader.add_argument("--only", nargs="+", default=[], help="names of charts; default: all")
    reader.add_argument("--limit", type=float, default=LIMIT_S, help="seconds that a chart may take")
    arguments = reader.parse_args(given)
    page, in_time = measure(arguments)
    save(page, arguments.out / "figures")
    sys.exit(not in_time)


if __name__ == "__main__":
    main()
