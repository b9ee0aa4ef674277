"""The writers of `benchmarks.log`: processes that append to a store or to Optuna's journal when told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import NamedTuple

import optuna
from optuna.distributions import FloatDistribution
from optuna.storages.journal import JournalFileBackend

from benchmarks.lives import CHILDREN, METERS, RECORDS, Grower, Pool, found
from benchmarks.measure import no_syncs
from taskgrove.domain.ids import TaskName
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.store import Store

TASKS_EACH = 2
PARAMS = {f"param_{number}": FloatDistribution(0, 1) for number in range(10)}
STUDY = "study"
POOL = Pool()


class Order(NamedTuple):
    """What a writer does next.

    Attributes:
        system: Of `SYSTEMS`.
        folder: Of the store or journal.
        writer: Its number.
        records: To append.
        durable: Whether fsync does anything.
    """

    system: str
    folder: str
    writer: int
    records: int
    durable: bool


class Variant(NamedTuple):
    """What is measured."""

    system: str
    writers: int
    durable: bool


def tasks_of(writer: int) -> list[TaskName]:
    """Those that a writer grows."""
    return [TaskName(f"task_{writer}_{number}") for number in range(TASKS_EACH)]


def make_store(folder: Path, writers: int) -> None:
    """A store with the tasks of all writers."""
    found(Store.create(LocalBackend(folder)), [t for w in range(writers) for t in tasks_of(w)], POOL)


def store_work(order: Order) -> Callable[[], None]:
    """Open the store; the work is to commit."""
    store = Store.open(LocalBackend(Path(order.folder)))
    root = store.state.view.models[store.state.view.roots[0]]
    grower = Grower(root, tasks_of(order.writer), POOL, seed=order.writer)
    operations = [*islice(grower.operations(), order.records)]

    def work() -> None:
        for operation in operations:
            store.commit(operation, meters=METERS)

    return work


def journal(folder: str) -> optuna.storages.JournalStorage:
    return optuna.storages.JournalStorage(JournalFileBackend(f"{folder}/journal.log"))


def make_journal(folder: Path, _: int) -> None:
    """A journal with a study."""
    folder.mkdir()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna.create_study(storage=journal(str(folder)), study_name=STUDY)


def add_work(order: Order) -> Callable[[], None]:
    """Open the journal; the work is to add finished trials, a record each."""
    study = optuna.load_study(study_name=STUDY, storage=journal(order.folder))
    trials = [
        optuna.trial.create_trial(params=dict.fromkeys(PARAMS, 0.5), distributions=dict(PARAMS), value=0.5)
        for _ in range(order.records)
    ]

    def work() -> None:
        for trial in trials:
            study.add_trial(trial)

    return work


def tell_work(order: Order) -> Callable[[], None]:
    """Open the journal; the work is to ask for trials and tell their values: a record per step."""
    study = optuna.load_study(study_name=STUDY, storage=journal(order.folder))

    def work() -> None:
        for _ in range(max(1, order.records // (len(PARAMS) + 2))):
            trial = study.ask()
            for name in PARAMS:
                trial.suggest_float(name, 0, 1)
            study.tell(trial, 0.5)

    return work


class System(NamedTuple):
    """A way to keep records.

    Attributes:
        make: A place for a number of writers.
        work: What a writer does there, prepared.
        records: How many it takes to keep a trained child or a trial.
    """

    make: Callable[[Path, int], None]
    work: Callable[[Order], Callable[[], None]]
    records: float


TASKGROVE, ADDED, TOLD = "Taskgrove", "Optuna, finished trials added", "Optuna, asked and told"
SYSTEMS = {
    TASKGROVE: System(make_store, store_work, RECORDS / CHILDREN),
    ADDED: System(make_journal, add_work, 1),
    TOLD: System(make_journal, tell_work, len(PARAMS) + 2),
}


def serve(orders: Connection) -> None:
    """A writer's life: prepare an order, wait for the word, carry it out; None ends it."""
    while (order := orders.recv()) is not None:
        with ExitStack() as stack:
            if not order.durable:
                stack.enter_context(no_syncs())
            work = SYSTEMS[order.system].work(order)
            orders.send("ready")
            orders.recv()
            work()
        orders.send("done")


class Writers:
    """Processes that wait for orders.

    Args:
        most: How many at once.
        folder: Below which every turn gets a place of its own.
        records: That each appends in a turn.
    """

    def __init__(self, most: int, folder: Path, records: int) -> None:
        self._folder = folder
        self._records = records
        self._turns = 0
        context = get_context("spawn")
        self._ends: list[Connection] = []
        self._processes = []
        for _ in range(most):
            here, there = context.Pipe()
            process = context.Process(target=serve, args=(there,), daemon=True)
            process.start()
            there.close()
            self._ends.append(here)
            self._processes.append(process)

    def __enter__(self) -> Writers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in self._ends:
            end.send(None)
        for process in self._processes:
            process.join()

    def seconds(self, variant: Variant) -> float:
        """How long it takes until all have appended their records."""
        self._turns += 1
        place = self._folder / f"turn{self._turns}"
        with no_syncs():
            SYSTEMS[variant.system].make(place, variant.writers)
        ends = self._ends[: variant.writers]
        for writer, end in enumerate(ends):
            end.send(Order(variant.system, str(place), writer, self._records, variant.durable))
        self._wait(ends)
        os.sync()  # or the first syncs would pay for what this turn and the ones before it left unwritten
        start = perf_counter()
        for end in ends:
            end.send("go")
        self._wait(ends)
        return perf_counter() - start

    def _wait(self, ends: Sequence[Connection]) -> None:
        for end in ends:
            end.recv()
