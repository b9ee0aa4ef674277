"""The index of the log beside the obvious tables (ids as text, a row per model and component), same commits.

python -m benchmarks.index --out benchmarks/results/index_<hardware>_<date>
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from time import perf_counter, process_time

from benchmarks.lives import HPARAMS, NUM_SLOTS, Grower, Pool
from benchmarks.page import Page, Row, save
from taskgrove.domain.ids import CommitId, TaskName
from taskgrove.domain.records import AddRoot, Commit, FinishChild, Model, identified
from taskgrove.store.index import queries
from taskgrove.store.index.database import Database, begin_anew
from taskgrove.store.index.index import AT_ONCE
from taskgrove.store.index.writer import Writer
from taskgrove.version import __version__

TASKS = 100
NAIVE = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    """CREATE TABLE models (
        id TEXT PRIMARY KEY, number INTEGER, task TEXT, agent TEXT, parent TEXT, quality REAL
    )""",
    "CREATE TABLE components (model TEXT, slot TEXT, id TEXT, momentum TEXT)",
    "CREATE INDEX children ON models (parent)",
    "CREATE INDEX held ON components (id)",
    "CREATE INDEX parts ON components (model)",
)


@dataclass(slots=True)
class Taken:
    """Sums over transactions."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    def run(self, work: Callable[[], object]) -> None:
        """Do it and add what it took."""
        wall, cpu = perf_counter(), process_time()
        work()
        self.wall_s += perf_counter() - wall
        self.cpu_s += process_time() - cpu


def root() -> Model:
    """Where all models come from."""
    parts = tuple(Pool().component(number, f"block_{number}", {}) for number in range(NUM_SLOTS))
    return identified(Model(member="vit-ti", num_classes=10, components=parts, hparams=HPARAMS))


def commits() -> Iterator[Commit]:
    """A log without end in which every child is accepted and brings three components of its own."""
    first = root()
    grower = Grower(first, [TaskName(f"t{i}") for i in range(TASKS)], Pool(size=10**12), accepted=NUM_SLOTS)
    for number, operation in enumerate(chain([AddRoot(model=first)], grower.operations())):
        yield Commit(number=number, previous="", id=CommitId(str(number)), time=0.0, operation=operation)


def models_of(batch: Sequence[Commit]) -> list[tuple[Model, int]]:
    """The models that the commits bring."""
    operations = ((commit.operation, commit.number) for commit in batch)
    return [
        (o.model, n) for o, n in operations if isinstance(o, AddRoot | FinishChild) and o.model is not None
    ]


def write(database: Database, batch: Sequence[Commit]) -> None:
    """A transaction of the index."""
    with database.writing() as connection:
        writer = Writer(connection)
        for commit in batch:
            writer.write(commit)
        writer.finish()


def write_naive(connection: sqlite3.Connection, batch: Sequence[Commit]) -> None:
    """A transaction of the obvious tables; they know nothing of lives, bests and iterations."""
    connection.execute("BEGIN IMMEDIATE")
    for model, number in models_of(batch):
        row = (model.id, number, model.task, model.agent, model.parent, model.quality)
        connection.execute("INSERT INTO models VALUES (?, ?, ?, ?, ?, ?)", row)
        parts = [(model.id, part.slot, part.id, part.momentum) for part in model.components]
        connection.executemany("INSERT INTO components VALUES (?, ?, ?, ?)", parts)
    connection.execute("COMMIT")


def measured(models: int, folder: Path) -> tuple[list[Row], list[Row]]:
    """Rows for both kinds of tables, and for questions to the index."""
    database, ours, theirs = Database(folder / "index"), Taken(), Taken()
    naive = sqlite3.connect(folder / "naive", isolation_level=None)
    for statement in NAIVE:
        naive.execute(statement)
    with database.writing() as connection:
        begin_anew(connection, "benchmark")
    log, made, last = commits(), 0, root()
    while made < models:
        batch = [*islice(log, AT_ONCE)]
        ours.run(partial(write, database, batch))
        theirs.run(partial(write_naive, naive, batch))
        brought = models_of(batch)
        made, last = made + len(brought), brought[-1][0]
    questions = asked(database, last, batch[-1].number)
    database.close()
    naive.close()
    rows = [
        _row("index", ours, folder / "index", made),
        _row("obvious tables", theirs, folder / "naive", made),
    ]
    return rows, questions


def asked(database: Database, model: Model, at: int) -> list[Row]:
    """How long questions take, and how many rows answer them."""
    component, identity = bytes.fromhex(model.components[0].id), bytes.fromhex(model.id)
    root_component = bytes.fromhex(root().components[0].id)
    questions: dict[str, tuple[str, dict[str, object]]] = {
        "the best model of each task": (queries.BESTS, {"at": at}),
        "the same, half-way back": (queries.BESTS, {"at": at // 2}),
        "users of a component": (queries.USERS, {"at": at, "component": component}),
        "users of a root's component": (queries.USERS, {"at": at, "component": root_component}),
        "ancestry of the newest model": (queries.ANCESTRY, {"model": identity}),
        "history of a task": (queries.ITERATIONS, {"at": at, "task": "t0"}),
    }
    found: list[Row] = []
    for what, (sql, values) in questions.items():
        start = perf_counter()
        answers = database.rows(sql, **values)
        found.append({"question": what, "rows": len(answers), "ms": 1e3 * (perf_counter() - start)})
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", type=int, default=50_000)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows, questions = measured(options.models, Path(folder))
    page = Page(
        title="The index of the log",
        conditions={
            "versions": f"Taskgrove {__version__}, SQLite {sqlite3.sqlite_version}",
            "commits per transaction": AT_ONCE,
            "tasks": TASKS,
            "components per model": NUM_SLOTS,
        },
        tables={"Writing": rows, "Questions to the index": questions},
        notes=["Commits are decoded already; the two are written in turns, a thousand commits each."],
    )
    save(page, options.out)


def _row(what: str, taken: Taken, path: Path, models: int) -> Row:
    size = path.stat().st_size
    return {
        "tables": what,
        "models": models,
        "s": taken.wall_s,
        "CPU s": taken.cpu_s,
        "MB": size / 1e6,
        "bytes per model": size / models,
    }


if __name__ == "__main__":
    main()
