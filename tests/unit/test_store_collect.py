"""Garbage collection: what goes, what stays, and that nobody can be hurt by it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from taskgrove.domain.errors import BadValueError, BlobsCollectedError, CommitRefusedError, StoreCorruptError
from taskgrove.domain.ids import BlobId
from taskgrove.domain.records import Condemn, Model
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.blobs import blobs_of
from taskgrove.store.keys import BLOBS, blob_id, blob_key, blob_of
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.collect import STRAY_S, Collected, collect
from taskgrove.store.upkeep.retention import Retention
from taskgrove.testing.scripts import (
    Step,
    accept,
    add_root,
    add_task,
    begin,
    condemn,
    end,
    note,
    play,
    retire,
    start,
    tag,
)

ROOT_STEP, ROOT = add_root()
HOUR = 3600.0


class System:
    """A store whose tasks `a` and `b` are grown one model at a time, each a child of the one before."""

    def __init__(self) -> None:
        self.store = Store.create(MemoryBackend())
        steps = [ROOT_STEP, add_task("a", b"data of a"), add_task("b", b"data of b"), start("ab", 9)]
        play(self.store, steps)
        self.best: dict[str, list[Model]] = {"a": [ROOT], "b": [ROOT]}

    def commit(self, *steps: Step) -> None:
        for step in steps:
            for data in step.blobs:
                self.store.put_blob(data)
            self.store.commit(step.operation)

    def grow(self, task: str) -> Model:
        line = self.best[task]
        iteration = len(line) - 1
        step, model = accept(line[-1], task, iteration)
        self.commit(begin(task, iteration), step, end(task, model.id, iteration))
        line.append(model)
        return model

    def collect(self, ancestors: int | None = None, dry_run: bool = False) -> Collected:
        return collect(self.store, Retention(ancestors=ancestors), grace_s=0, dry_run=dry_run)

    def stored(self) -> set[BlobId]:
        names = (blob_of(entry.key) for entry in self.store.backend.list(BLOBS))
        return {name[0] for name in names if name is not None}

    def holds(self, models: Iterable[Model]) -> list[bool]:
        return [blobs_of(model) <= self.stored() for model in models]


def grown(iterations: int = 3) -> System:
    system = System()
    for _ in range(iterations):
        system.grow("a")
        system.grow("b")
    return system


def test_a_store_without_garbage_is_left_as_it_is() -> None:
    system = grown()
    before = system.store.state
    done = system.collect()
    assert (done.num_condemned, done.num_left, done.num_young) == (0, 0, 0)
    assert system.store.state == before
    assert all(system.holds([*system.best["a"], *system.best["b"]]))


def test_blobs_of_writers_that_died_go_when_they_are_old_enough() -> None:
    system = grown()
    system.store.put_blob(b"orphan")
    young = collect(system.store, grace_s=HOUR)
    assert (young.num_young, young.num_condemned) == (1, 0)
    old = system.collect()
    assert (old.num_condemned, old.condemned_bytes) == (1, 6)
    assert blob_id(b"orphan") not in system.stored()
    assert system.store.state.epoch == 1
    assert check(system.store.backend).ok


def test_a_dry_run_says_the_same_and_does_nothing() -> None:
    system = grown()
    system.store.put_blob(b"orphan")
    before = (system.store.state, system.stored())
    told = system.collect(ancestors=0, dry_run=True)
    assert (system.store.state, system.stored()) == before
    assert told == system.collect(ancestors=0)
    assert told.num_condemned > 1


@pytest.mark.parametrize("ancestors", [0, 1, 2])
def test_retention_keeps_so_many_ancestors_of_what_is_live(ancestors: int) -> None:
    system = grown(4)
    system.collect(ancestors)
    for line in system.best.values():
        kept = [False] * (4 - 1 - ancestors) + [True] * (1 + ancestors)
        assert system.holds(line) == [True, *kept]  # the root is live
    assert check(system.store.backend).ok
    assert [c.number for c in system.store.history()][-1] == system.store.state.view.number


def test_what_is_live_under_a_tag_stays() -> None:
    system = System()
    first = system.grow("a")
    tagged = system.store.state.view.number
    second, third = system.grow("a"), system.grow("a")
    system.commit(tag("v1", tagged))
    system.collect(ancestors=0)
    assert system.holds([first, second, third]) == [True, False, True]
    assert system.store.state_at(tagged).view.models[first.id] == first


def test_a_tag_does_not_bring_back_what_was_collected_before_it() -> None:
    system = System()
    first = system.grow("a")
    number = system.store.state.view.number
    system.grow("a")
    system.collect(ancestors=0)
    system.commit(tag("late", number))
    assert system.holds([first]) == [False]
    assert check(system.store.backend).ok


@pytest.mark.parametrize("ancestors", [None, 0])
@pytest.mark.parametrize("retired", [True, False])
def test_parents_of_an_open_iteration_stay(ancestors: int | None, retired: bool) -> None:
    system = System()
    parent = system.grow("a")
    system.commit(begin("b"))
    if retired:
        system.commit(retire("a"))
    else:
        system.grow("a")
    system.collect(ancestors)
    assert system.holds([parent]) == [True]
    step, child = accept(parent, "b")
    system.commit(step, end("b", child.id))
    assert check(system.store.backend).ok


def test_what_only_a_retired_task_used_goes() -> None:
    system = grown(2)
    system.commit(retire("a"))
    system.collect()
    assert system.holds(system.best["a"]) == [True, False, False]
    assert all(system.holds(system.best["b"]))
    assert blob_id(b"data of a") not in system.stored()
    assert blob_id(b"data of b") in system.stored()
    assert check(system.store.backend).ok


def test_a_collected_model_stays_in_the_history_and_its_weights_are_a_clear_error() -> None:
    system = grown(3)
    gone = system.best["a"][1]
    system.collect(ancestors=0)
    assert gone in system.store.state_at(6).view.models.values()
    with pytest.raises(StoreCorruptError, match="is missing"):
        system.store.get_blob(BlobId(gone.components[-1].id))


def test_a_blob_that_comes_back_gets_a_new_name() -> None:
    system = grown(3)
    gone = system.best["a"][1]
    system.collect(ancestors=0)
    step, again = accept(ROOT, "a", 0)
    assert again == gone
    step, again = accept(ROOT, "a", 3)
    shared = accept(ROOT, "a", 0)[0].blobs
    system.commit(begin("a", 3), step, end("a", again.id, 3))
    system.commit(add_task("c", shared[0]))
    blob = blob_id(shared[0])
    assert system.store.backend.get(blob_key(blob, 1)) == shared[0]
    assert system.store.backend.get(blob_key(blob, 0)) is None
    assert system.store.get_blob(blob) == shared[0]
    assert Store.open(system.store.backend).get_blob(blob) == shared[0]
    assert check(system.store.backend).ok


def test_a_writer_whose_blobs_were_condemned_before_its_commit_notices() -> None:
    system = System()
    writer = Store.open(system.store.backend)
    writer.put_blob(b"of a slow writer")
    system.collect()
    with pytest.raises(BlobsCollectedError, match="put it again"):
        writer.commit(add_task("c", b"of a slow writer").operation)
    writer.put_blob(b"of a slow writer")
    writer.commit(add_task("c", b"of a slow writer").operation)
    assert writer.get_blob(blob_id(b"of a slow writer")) == b"of a slow writer"
    assert check(system.store.backend).ok


def test_blobs_put_before_a_collection_that_spared_them_get_a_name_of_the_new_epoch() -> None:
    system = System()
    writer = Store.open(system.store.backend)
    system.store.put_blob(b"garbage")
    system.collect()
    system.store.put_blob(b"more garbage")
    writer.put_blob(b"young")  # under epoch 0: it has not refreshed
    blob = blob_id(b"young")
    assert system.store.backend.get(blob_key(blob, 0)) == b"young"
    writer.commit(add_task("c", b"young").operation)
    assert system.store.backend.get(blob_key(blob, 1)) == b"young"
    system.collect()
    assert writer.get_blob(blob) == b"young"
    assert check(system.store.backend).ok


def test_a_collector_that_was_killed_before_it_deleted_is_finished_by_the_next() -> None:
    system = grown(2)
    blob = system.store.put_blob(b"orphan")
    system.commit(condemn([(blob, 0)], system.store.state.view.number))
    done = system.collect()
    assert (done.num_condemned, done.num_left, done.left_bytes) == (0, 1, 6)
    assert blob not in system.stored()


def test_live_blobs_cannot_be_condemned_nor_blobs_to_come() -> None:
    system = grown(1)
    head = system.store.state.view.number
    live = BlobId(system.best["a"][1].components[-1].id)
    for name in ((live, 0), (blob_id(b"any"), 1)):
        with pytest.raises(CommitRefusedError, match="no garbage"):
            system.store.commit(Condemn(blobs=(name,), seen=head, reason="mean"))
    with pytest.raises(CommitRefusedError, match="Garbage was sought at commit"):
        system.store.commit(Condemn(blobs=((blob_id(b"any"), 0),), seen=head - 1, reason="late"))


def test_what_others_commit_while_garbage_is_sought_is_spared() -> None:
    """The collector's first condemnation loses the race each time; the blob comes into use meanwhile."""
    system = System()
    other = Store.open(system.store.backend)
    for data in (b"garbage", b"rescued"):
        system.store.put_blob(data)
    races = iter([add_task("c", b"rescued"), note("hm"), tag("now", 3)])

    def told(what: str, done: int, total: int) -> None:
        step = next(races, None) if what == "condemning" else None
        if step is not None:
            for data in step.blobs:
                other.put_blob(data)
            other.commit(step.operation)

    done = collect(system.store, grace_s=0, told=told)
    assert done.num_condemned == 1
    assert other.get_blob(blob_id(b"rescued")) == b"rescued"
    assert blob_id(b"garbage") not in system.stored()
    assert check(system.store.backend).ok


def test_what_killed_processes_have_left_is_swept_after_a_day(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path)
    store = Store.create(backend)
    play(store, [ROOT_STEP])
    old, young = (tmp_path / "log/main" / f".tmp-{age}" for age in ("old", "young"))
    for path in (old, young, tmp_path / "blobs" / ".tmp-old"):
        path.write_bytes(b"half a rec")
    for key in ("probe-old", "probe-young"):
        backend.put(key, b"1")
    long_ago = time.time() - STRAY_S - 60
    for path in (old, tmp_path / "blobs" / ".tmp-old", tmp_path / "probe-old"):
        os.utime(path, (long_ago, long_ago))
    assert collect(store, dry_run=True).num_swept == 0
    assert collect(store, grace_s=0).num_swept == 3
    assert (old.exists(), young.exists()) == (False, True)
    assert [entry.key for entry in backend.list("probe-")] == ["probe-young"]
    assert check(backend).ok


@pytest.mark.parametrize(("ancestors", "grace_s"), [(-1, 0.0), (0, -1.0)])
def test_negative_settings_are_refused(ancestors: int, grace_s: float) -> None:
    with pytest.raises(BadValueError, match="use 0 or more"):
        collect(System().store, Retention(ancestors=ancestors), grace_s=grace_s)
