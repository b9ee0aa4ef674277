"""What it takes to open a store with a long history, and to look at an old commit: seconds and memory.

    python -m benchmarks.opening --models 100000 --out opening_2cores

The history is scripted and written through the store, without syncing; every measurement is a fresh process,
and the files are in the system's cache.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from benchmarks.lives import CHILDREN, METERS, RECORDS, Grower, Pool, found
from benchmarks.measure import interleaved, machine, no_syncs, parser
from benchmarks.open_store import WORKS
from benchmarks.page import Page, Row, save
from benchmarks.peer import ROOT
from taskgrove.domain.ids import TaskName
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.store import Store

POOL = Pool(256)


def write_history(folder: Path, num_models: int, num_tasks: int) -> int:
    """Grow a system until it has had so many models; returns the number of commits."""
    tasks = [TaskName(f"task_{number}") for number in range(num_tasks)]
    with no_syncs():
        store = Store.create(LocalBackend(folder))
        grower = Grower(found(store, tasks, POOL), tasks, POOL, accepted=CHILDREN)
        num_iterations = -(-num_models // CHILDREN)
        for operation in islice(grower.operations(), num_iterations * RECORDS):
            store.commit(operation, meters=METERS)
    return store.state.view.number + 1


class Fresh:
    """Runs works in processes of their own and remembers what they said of their memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.before_mb: dict[str, float] = {}
        self.most_mb: dict[str, float] = {}

    def seconds(self, work: str) -> float:
        """How long it took."""
        command = [sys.executable, "-m", "benchmarks.open_store", str(self._folder), work]
        said = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
        self.before_mb[work] = said["before_mb"]
        self.most_mb[work] = max(self.most_mb.get(work, 0.0), said["most_mb"])
        return float(said["seconds"])


def measure(arguments: argparse.Namespace, folder: Path) -> Page:
    """Write a history, then open it again and again."""
    conditions = machine(torch.device("cpu"), 1)
    start = perf_counter()
    commits = write_history(folder, arguments.models, arguments.tasks)
    rate = commits / (perf_counter() - start)
    fresh = Fresh(folder)
    times = interleaved({w: partial(fresh.seconds, w) for w in arguments.works}, arguments.repetitions)
    rows: list[Row] = [
        {
            "what": work,
            "s": median(times[work]),
            "low": min(times[work]),
            "high": max(times[work]),
            "MiB beyond the imports, at most": fresh.most_mb[work] - fresh.before_mb[work],
        }
        for work in arguments.works
    ]
    return Page(
        title=f"Opening a store with {arguments.models:,} models in its history",
        conditions={
            **conditions,
            "commits": commits,
            "tasks": arguments.tasks,
            "commits written per second, without syncing": rate,
            "imports, MiB": max(fresh.before_mb.values()),
        },
        tables={"A fresh process": rows, "Stored": stored(folder)},
        notes=[f"Median of {arguments.repetitions} turns, the files in the system's cache."],
    )


def stored(folder: Path) -> list[Row]:
    """Objects and bytes by what they are."""
    backend = LocalBackend(folder)
    rows: list[Row] = []
    for what, prefix in (("records", "log/"), ("segments", "segments/"), ("checkpoints", "state/")):
        sizes = [entry.size_bytes for entry in backend.list(prefix)]
        rows.append(
            {
                "what": what,
                "objects": len(sizes),
                "MB": sum(sizes) / 1e6,
                "largest, kB": max(sizes, default=0) / 1e3,
            }
        )
    return rows


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--models", type=int, default=100_000)
    reader.add_argument("--tasks", type=int, default=100)
    reader.add_argument("--works", nargs="+", choices=WORKS, default=[*WORKS])
    reader.add_argument("--folder", type=Path, help="where to write; default: the system's temporary folder")
    arguments = reader.parse_args(given)
    with TemporaryDirectory(prefix="taskgrove-", dir=arguments.folder) as folder:
        page = measure(arguments, Path(folder) / "store")
    save(page, arguments.out)


if __name__ == "__main__":
    main()
