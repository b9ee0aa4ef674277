"""Records per second that one and several processes append to a log on disk, beside Optuna's journal storage.

    python -m benchmarks.log --out log_2cores

Every writer grows tasks of its own in one shared system: iterations that begin, children with and without a
model, ends. Optuna's writers add finished trials to one study of the same journal file. Weights are written
by neither. Without fsync means that it is replaced by nothing, to tell what durability costs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import optuna
import torch

from benchmarks.lives import NUM_SLOTS
from benchmarks.log_writers import PARAMS, SYSTEMS, Variant, Writers
from benchmarks.measure import interleaved, machine, parser
from benchmarks.page import Page, Row, save
from taskgrove.store.backends.local import LocalBackend


def sync_ms(folder: Path, times: int = 50) -> float:
    """What it takes to append a small record to a file and to sync it."""
    file = os.open(folder / "synced", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    found_s = []
    for _ in range(times):
        os.write(file, bytes(3000))
        start = perf_counter()
        os.fsync(file)
        found_s.append(perf_counter() - start)
    os.close(file)
    return 1e3 * median(found_s)


def row(variant: Variant, seconds: Sequence[float], records: int) -> Row:
    """Of the table."""
    rates = [variant.writers * records / found_s for found_s in seconds]
    system = SYSTEMS[variant.system]
    return {
        "system": variant.system,
        "writers": variant.writers,
        "durable": "yes" if variant.durable else "no, fsync does nothing",
        "records/s": median(rates),
        "lowest": min(rates),
        "highest": max(rates),
        "children or trials/s": median(rates) / system.records,
    }


def measure(arguments: argparse.Namespace, folder: Path) -> Page:
    """All variants in turns."""
    conditions = machine(torch.device("cpu"), 1)
    variants = [
        Variant(system, writers, durable)
        for durable in (True, False)
        for writers in arguments.writers
        for system in SYSTEMS
    ]
    before = sync_ms(folder)
    with Writers(max(arguments.writers), folder, arguments.records) as writers:
        runs = {variant: partial(writers.seconds, variant) for variant in variants}
        times = interleaved(runs, arguments.repetitions)
    rows = [row(variant, times[variant], arguments.records) for variant in variants]
    sizes = [e.size_bytes for e in LocalBackend(folder / "turn1").list("log/")]
    return Page(
        title="Records per second in a log on disk",
        conditions={
            **conditions,
            "one fsync before and after, ms": f"{before:.2f}, {sync_ms(folder):.2f}",
            "bytes of Taskgrove's record": sum(sizes) / len(sizes),
            "versions of others": f"Optuna {optuna.__version__}",
        },
        tables={"Appending": rows},
        notes=[
            f"Median of {arguments.repetitions} turns of {arguments.records} records per writer, each turn "
            "in a place of its own. Taskgrove's records are task iterations with their children, half of "
            f"which come with a model of {NUM_SLOTS} components; Optuna's are trials of {len(PARAMS)} "
            "parameters. Optuna appends to one file, under a lock, with one fsync per record; a trial that "
            f"is asked for and told is {len(PARAMS) + 2} records, one that is added when it is finished is "
            "one. Taskgrove appends to a file per thousand records, with one fsync per record, too: each "
            "writer's own, after it has let the next one append. Before each turn everything is written to "
            "the disk, so that no system pays for what another one has left."
        ],
    )


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--records", type=int, default=500, help="of a writer in a turn")
    reader.add_argument("--writers", type=int, nargs="+", default=[1, 4])
    reader.add_argument(
        "--folder", type=Path, help="on the disk in question; default: the system's temporary one"
    )
    arguments = reader.parse_args(given)
    with TemporaryDirectory(prefix="taskgrove-", dir=arguments.folder) as folder:
        page = measure(arguments, Path(folder))
    save(page, arguments.out)


if __name__ == "__main__":
    main()
