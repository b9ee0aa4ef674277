"""The commit protocol: exactly once, whatever gets lost, whoever races, whenever death comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from taskgrove.domain.errors import (
    BadValueError,
    CommitRefusedError,
    DuplicateNameError,
    EnvironmentFailure,
    StorageAccessError,
    StorageFullError,
    UnsafeBackendError,
)
from taskgrove.domain.ids import CommitId
from taskgrove.domain.records import AddRoot, Model, identified
from taskgrove.store import store as store_module
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.keys import record_key
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.faults import Fault, FaultyBackend, Killed, Plan, always, at, at_random
from taskgrove.testing.scripts import add_root, add_task, life, play, start
from tests import forked

KINDS = ["memory", "local"]


def backend_of(kind: str, folder: Path) -> AbstractBackend:
    return MemoryBackend() if kind == "memory" else LocalBackend(folder / "store")


def operations(backend: AbstractBackend) -> list[object]:
    return [commit.operation for commit in Store.open(backend, writable=False).history()]


def test_commits_are_numbered_chained_and_timed() -> None:
    store = Store.create(MemoryBackend(), clock=lambda: 12.5)
    first = store.commit(add_task("a").operation, meters={"train": 2.0})
    second = store.commit(add_task("b").operation)
    assert (first.number, second.number) == (0, 1)
    assert (first.previous, first.time, first.meters) == ("", 12.5, {"train": 2.0})
    assert len(second.previous) == 64
    assert store.state.head not in ("", second.previous)
    assert list(store.history()) == [first, second]
    assert list(store.history(1)) == [second]
    assert list(store.history(2)) == []
    with pytest.raises(BadValueError, match="starts at commit 0"):
        list(store.history(-1))


def test_any_commit_can_be_viewed() -> None:
    backend = MemoryBackend()
    store = Store.create(backend)
    steps, views = life(), [store.view()]
    for number in range(len(steps)):
        play(store, steps[: number + 1])
        views.append(store.view())
    reader = Store.open(backend, writable=False)
    assert [reader.view(number) for number in range(-1, len(steps))] == views
    assert reader.view() == views[-1]
    for absent in (-2, len(steps)):
        with pytest.raises(BadValueError, match="There is no commit"):
            reader.view(absent)


def test_an_open_reader_follows_a_writer() -> None:
    backend = MemoryBackend()
    writer = Store.create(backend)
    reader = Store.open(backend, writable=False)
    writer.commit(add_task("a").operation)
    assert reader.state.view.number == -1
    assert reader.refresh().number == 0
    assert reader.state == writer.state


def test_a_reader_cannot_write() -> None:
    backend = MemoryBackend()
    Store.create(backend)
    reader = Store.open(backend, writable=False)
    with pytest.raises(StorageAccessError, match="for reading only"):
        reader.commit(add_task("a").operation)
    with pytest.raises(StorageAccessError, match="for reading only"):
        reader.put_blob(b"1")


def test_a_commit_cannot_refer_to_a_blob_that_is_not_there() -> None:
    backend = MemoryBackend()
    store = Store.create(backend)
    step, _ = add_root()
    with pytest.raises(CommitRefusedError, match="put the blob first"):
        store.commit(step.operation)
    with pytest.raises(CommitRefusedError, match="put the blob first"):
        store.commit(add_task("a", b"data").operation)
    other = Store.open(backend)
    for data in step.blobs:
        other.put_blob(data)
    assert store.commit(step.operation).number == 0


def test_a_model_hashed_with_values_of_other_types_is_refused() -> None:
    # 1 comes back as 1.0, under which the model would have another id for every reader.
    store = Store.create(MemoryBackend())
    model = identified(Model(member="m", num_classes=2, components=(), hparams={}, quality=1))
    with pytest.raises(CommitRefusedError, match=r"0\.0 where a float is asked for"):
        store.commit(AddRoot(model=model))


def test_blobs_of_the_committed_state_are_not_written_again() -> None:
    counted = FaultyBackend(MemoryBackend(), lambda _, __: None)
    store = Store.create(counted)
    step, _ = add_root()
    play(store, [step])
    calls = counted.num_calls
    store.put_blob(step.blobs[0])
    assert counted.num_calls == calls
    store.put_blob(b"orphan")
    store.put_blob(b"orphan")
    assert counted.num_calls == calls + 2


def test_a_repeated_id_is_one_commit() -> None:
    backend = MemoryBackend()
    store = Store.create(backend)
    first = store.commit(add_task("a").operation, id=CommitId("x"))
    assert store.commit(add_task("a").operation, id=CommitId("x")) == first
    assert Store.open(backend).commit(add_task("a").operation, id=CommitId("x")) == first
    with pytest.raises(CommitRefusedError, match="did something else"):
        store.commit(add_task("b").operation, id=CommitId("x"))
    with pytest.raises(DuplicateNameError):
        store.commit(add_task("a").operation, id=CommitId("y"))
    assert len(operations(backend)) == 1


def test_only_the_newest_ids_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_REMEMBERED_IDS", 2)
    store = Store.create(MemoryBackend())
    for name in "abc":
        store.commit(add_task(name).operation, id=CommitId(name))
    assert store.commit(add_task("b").operation, id=CommitId("b")).number == 1
    with pytest.raises(DuplicateNameError):
        store.commit(add_task("a").operation, id=CommitId("a"))


@pytest.mark.parametrize("seed", range(3))
def test_lost_replies_and_false_conflicts_give_every_commit_exactly_once(seed: int) -> None:
    memory = MemoryBackend()
    Store.create(memory)
    script = life()
    store = Store.open(FaultyBackend(memory, at_random(seed, lost_replies=0.25, false_exists=0.2)))
    play(store, script)
    assert operations(memory) == [step.operation for step in script]
    assert check(memory).ok


def test_a_storage_that_never_shows_what_it_claims_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_LONGEST_PAUSE_S", 0.0)
    faulty = FaultyBackend(MemoryBackend(), lambda _, __: None)
    store = Store.create(faulty)
    faulty.plan = always(Fault.FALSE_EXISTS)
    with pytest.raises(EnvironmentFailure, match="100 attempts"):
        store.commit(add_task("a").operation)


@pytest.mark.parametrize("kind", KINDS)
def test_racing_writers_commit_everything_once(kind: str, tmp_path: Path) -> None:
    backend = backend_of(kind, tmp_path)
    Store.create(backend)

    def write(writer: int) -> list[int]:
        store = Store.open(backend)
        return [store.commit(add_task(f"{writer}-{k}").operation).number for k in range(20)]

    with ThreadPoolExecutor(3) as pool:
        numbers = [n for written in pool.map(write, range(3)) for n in written]
    assert sorted(numbers) == list(range(60))
    assert check(backend).ok


@pytest.mark.parametrize("kind", KINDS)
def test_racing_writers_take_a_name_once(kind: str, tmp_path: Path) -> None:
    backend = backend_of(kind, tmp_path)
    Store.create(backend)

    def write(writer: int) -> int:
        store, refused = Store.open(backend), 0
        for k in range(15):
            try:
                store.commit(add_task(f"task-{k}").operation)
            except DuplicateNameError:
                refused += 1
        return refused

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(write, range(3))) == 30
    assert len(operations(backend)) == 15


def test_one_store_may_be_shared_by_threads() -> None:
    store = Store.create(MemoryBackend())

    def write(k: int) -> None:
        data = f"{k}".encode()
        store.put_blob(data)
        store.commit(add_task(f"task-{k}", data).operation)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(40)))
    assert len(store.view().tasks) == 40


def create_many(folder: Path, writer: int) -> None:
    backend = LocalBackend(folder)
    wins = [k for k in range(100) if backend.put_new(f"race/{k}", f"{writer}".encode())]
    backend.put(f"wins/{writer}", ",".join(map(str, wins)).encode())


def test_of_racing_processes_exactly_one_creates_each_object(tmp_path: Path) -> None:
    processes = [forked.start(create_many, tmp_path, writer) for writer in range(3)]
    assert [forked.ended(process) for process in processes] == [0, 0, 0]
    backend = LocalBackend(tmp_path)
    wins = [(backend.get(f"wins/{writer}") or b"").decode().split(",") for writer in range(3)]
    assert Counter(k for won in wins for k in won if k) == {str(k): 1 for k in range(100)}
    for writer, won in enumerate(wins):
        assert all(backend.get(f"race/{k}") == f"{writer}".encode() for k in won if k)


def test_a_storage_that_overwrites_is_refused() -> None:
    memory = MemoryBackend()
    Store.create(memory)

    unsafe = FaultyBackend(memory, always(Fault.OVERWRITE))
    with pytest.raises(UnsafeBackendError, match="exclusive creation"):
        Store.open(unsafe)
    Store.open(unsafe, writable=False)
    once = FaultyBackend(memory, lambda call, _: Fault.OVERWRITE if call < 4 else None)
    with pytest.raises(UnsafeBackendError):
        Store.open(once)
    assert [entry.key for entry in memory.list("probe")] == []


def test_a_full_disk_leaves_the_store_sound() -> None:
    memory = MemoryBackend()
    faulty = FaultyBackend(memory, lambda _, __: None)
    store = Store.create(faulty)
    play(store, life()[:5])
    faulty.plan = lambda _, verb: Fault.DISK_FULL if verb.startswith("put") else None
    with pytest.raises(StorageFullError):
        store.put_blob(b"new")
    with pytest.raises(StorageFullError):
        store.commit(add_task("c").operation)
    assert check(memory).ok
    faulty.plan = lambda _, __: None
    play(store, life())
    assert operations(memory) == [step.operation for step in life()]


SCRIPT = life(tasks=("a",), iterations=1)


def grow(backend: AbstractBackend) -> None:
    """What a process does each time it is started: create or open, then go through the script."""
    store = Store.create(backend) if backend.get("taskgrove.json") is None else Store.open(backend)
    play(store, SCRIPT)


def num_calls(kind: str, folder: Path) -> int:
    faulty = FaultyBackend(backend_of(kind, folder), lambda _, __: None)
    grow(faulty)
    return faulty.num_calls


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [Fault.DEATH_BEFORE, Fault.DEATH_AFTER])
def test_death_at_any_call_leaves_a_sound_store_that_goes_on(kind: str, fault: Fault, tmp_path: Path) -> None:
    calls = num_calls(kind, tmp_path / "count")
    step = 1 if kind == "memory" else 10
    for call in range(0, calls, step):
        backend = backend_of(kind, tmp_path / f"{call}")
        with pytest.raises(Killed):
            grow(FaultyBackend(backend, at(call, fault)))
        if backend.get("taskgrove.json") is not None:
            report = check(backend)
            assert report.ok, (call, report.problems)
            done = operations(backend)
            assert done == [step.operation for step in SCRIPT][: len(done)]
        grow(backend)
        assert operations(backend) == [step.operation for step in SCRIPT]
        assert check(backend).problems == ()


def test_death_again_and_again_is_survived() -> None:
    deaths: tuple[Plan, ...] = tuple(at(call, Fault.DEATH_AFTER) for call in (20, 20, 20))
    memory = MemoryBackend()
    for plan in deaths:
        with pytest.raises(Killed):
            grow(FaultyBackend(memory, plan))
        assert check(memory).ok
    grow(memory)
    assert operations(memory) == [step.operation for step in SCRIPT]


def test_a_commit_costs_the_same_on_a_long_log() -> None:
    counted = FaultyBackend(MemoryBackend(), lambda _, __: None)
    store = Store.create(counted)

    def cost(commit: Callable[[], object]) -> int:
        before = counted.num_calls
        commit()
        return counted.num_calls - before

    short = cost(lambda: store.commit(add_task("a").operation))
    for k in range(200):
        store.commit(add_task(f"task-{k}").operation)
    assert cost(lambda: store.commit(add_task("b").operation)) <= short <= 2
    assert counted.inner.get(record_key(201)) is not None


def test_a_writer_that_is_alone_appends_without_looking() -> None:
    verbs: list[str] = []
    store = Store.create(FaultyBackend(MemoryBackend(), lambda _, verb: verbs.append(verb)))
    for name in "abc":
        verbs.clear()
        store.commit(add_task(name).operation)
    assert verbs == ["put_new"]


def test_a_writer_that_thought_itself_alone_looks_before_it_refuses() -> None:
    backend = MemoryBackend()
    first, second = Store.create(backend), Store.open(backend)
    for name in "ab":
        first.commit(add_task(name).operation)
    second.commit(add_task("c").operation)
    assert first.commit(start(["c"]).operation).number == 3, "it had not seen c"
    second.commit(add_task("d").operation, id=CommitId("twice"))
    assert first.commit(add_task("d").operation, id=CommitId("twice")).number == 4
    with pytest.raises(DuplicateNameError):
        first.commit(add_task("c").operation)
    assert check(backend).ok
