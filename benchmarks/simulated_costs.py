"""What requests to a storage cost: measured on a disk, and usual ones across a network."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.lives import Grower, Pool, found
from benchmarks.simulated_store import Storage
from taskgrove.domain.ids import TaskName
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.keys import record_key
from taskgrove.store.store import Store

PUT_S, GET_S, AT_ONCE = 0.040, 0.020, 16
"""Of an object store in the same region, as in the design's measurements."""


def local_storage(folder: Path, records: int) -> Storage:
    """A folder on a disk: durable commits, and the reading of them by another."""
    tasks, pool, backend = [TaskName("task")], Pool(), LocalBackend(folder / "system")
    store = Store.create(backend)
    root = found(store, tasks, pool)
    reader = Store.open(LocalBackend(backend.root))
    commits_s = []
    for operation in islice(Grower(root, tasks, pool).operations(), records):
        start = perf_counter()
        store.commit(operation)
        commits_s.append(perf_counter() - start)
    start = perf_counter()
    reader.refresh()
    refresh_s = (perf_counter() - start) / records
    get_s = median(_get_s(backend, number) for number in range(records))
    return Storage(
        name="local folder",
        put_s=median(commits_s),
        get_s=get_s,
        read_s=max(0.0, refresh_s - get_s),
    )


def object_storage(local: Storage) -> Storage:
    """A bucket; records are decoded as fast as on this machine."""
    return Storage(name="40 ms objects", put_s=PUT_S, get_s=GET_S, read_s=local.read_s, at_once=AT_ONCE)


def _get_s(backend: LocalBackend, number: int) -> float:
    start = perf_counter()
    backend.get(record_key(number))
    return perf_counter() - start
