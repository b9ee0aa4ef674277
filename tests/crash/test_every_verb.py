"""The process dies before and after every call of the storage: what is left is sound and can be completed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import count

import pytest

from taskgrove.domain.errors import StorePathError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Model, identified
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.fork import parent_of
from taskgrove.store.forked import ForkedBackend
from taskgrove.store.keys import BLOBS, LOG, blob_id, blob_key, record_key
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.store.upkeep.collect import collect
from taskgrove.store.upkeep.fork import fork
from taskgrove.store.upkeep.heal import heal
from taskgrove.store.upkeep.mirror import mirror
from taskgrove.store.upkeep.retention import Retention
from taskgrove.testing.faults import Fault, FaultyBackend, Killed, at
from taskgrove.testing.scripts import Step, accept, add_root, add_task, begin, component, life, play, publish

Places = Mapping[str, AbstractBackend]
LIFE = life(iterations=1)
NEXT = (add_task("c", b"data of c"), add_task("d", b"data of d"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that a process does, at whose every call it may die.

    Attributes:
        places: The storages before, by name.
        act: Does it; done again, it completes what a dead process has begun.
        sound: Whether a state of the storages is one that may be left behind.
    """

    places: Callable[[], Mapping[str, MemoryBackend]]
    act: Callable[[Places], object]
    sound: Callable[[Places], bool]


def copied(backend: MemoryBackend) -> MemoryBackend:
    copy = MemoryBackend()
    for entry in backend.list(""):
        copy.put(entry.key, backend.get(entry.key) or b"")
    return copy


def objects(backend: AbstractBackend) -> dict[str, bytes | None]:
    """What lies in a storage, but for what differs from one time to the next: times, uuids and probes."""
    keys = [entry.key for entry in backend.list("") if entry.key.startswith((BLOBS, LOG))]
    return {key: None if key.startswith(LOG) else backend.get(key) for key in keys}


def is_sound(backend: AbstractBackend) -> bool:
    """The store opens for reading and passes a deep check."""
    Store.open(backend, writable=False)
    return check(backend, deep=True).ok


def is_sound_or_none(backend: AbstractBackend) -> bool:
    """The same, or the place is not yet a store."""
    with suppress(StorePathError):
        return is_sound(backend)
    return True


@cache
def lived() -> MemoryBackend:
    backend = MemoryBackend()
    play(Store.create(backend), LIFE)
    return backend


@cache
def collected() -> MemoryBackend:
    """A store that has collected garbage since, and grown."""
    backend = copied(lived())
    store = Store.open(backend)
    play_on(store, NEXT[:1])
    collect(store, Retention(ancestors=0), grace_s=0)
    play_on(store, NEXT[1:])
    return backend


@cache
def mirrored() -> MemoryBackend:
    """A mirror of the store in the middle of its life, so that most of its garbage is not there."""
    source, target = MemoryBackend(), MemoryBackend()
    play(Store.create(source), LIFE[:9])
    for entry in lived().list(""):
        if entry.key == "taskgrove.json" or entry.key in {record_key(number) for number in range(9)}:
            source.put(entry.key, lived().get(entry.key) or b"")
    mirror(source, target)
    return target


def play_on(store: Store, steps: tuple[Step, ...]) -> None:
    for step in steps:
        for data in step.blobs:
            store.put_blob(data)
        store.commit(step.operation)


def child() -> tuple[Step, ...]:
    """A child is accepted."""
    _, root = add_root()
    return (*LIFE[:4], begin("a"), accept(root, "a")[0])


def pair() -> tuple[Step, ...]:
    """Models of two tasks are published by one commit."""
    _, root = add_root()
    models = tuple(with_head(root, task) for task in ("a", "b"))
    blobs = tuple(f"head {task}".encode() for task in ("a", "b"))
    operation = publish(models, {"a": None, "b": None}, "a").operation
    return (*LIFE[:4], begin("a"), Step(operation, blobs))


def with_head(parent: Model, task: str) -> Model:
    head = component("head", f"head {task}".encode())
    made = replace(parent, task=TaskName(task), parent=parent.id, components=(*parent.components[:-1], head))
    return identified(made)


def playing(steps: tuple[Step, ...]) -> Action:
    def places() -> Mapping[str, MemoryBackend]:
        backend = MemoryBackend()
        play(Store.create(backend), steps[:-1])
        return {"store": backend}

    return Action(
        places=places,
        act=lambda places: play(Store.open(places["store"]), steps),
        sound=lambda places: is_sound(places["store"]),
    )


def mirroring(
    source: Callable[[], MemoryBackend], target: Callable[[], MemoryBackend], at_once: int = 1
) -> Action:
    return Action(
        places=lambda: {"source": copied(source()), "target": copied(target())},
        act=lambda places: mirror(places["source"], places["target"], at_once=at_once),
        sound=lambda places: is_sound(places["source"]) and is_sound_or_none(places["target"]),
    )


def forked(places: Places) -> AbstractBackend | None:
    """The fork's storage as `open_place` would give it; None before there is a fork."""
    parent = parent_of(places["own"])
    return None if parent is None else ForkedBackend(places["own"], places["parent"], parent.number)


def fork_is_sound(places: Places) -> bool:
    fork, parent = forked(places), Store.open(places["parent"], writable=False)
    kept = any(tag.startswith("fork-") for tag in parent.state.tags)
    return is_sound(places["parent"]) and (fork is None or (kept and is_sound(fork)))


FORKING = Action(
    places=lambda: {"parent": copied(collected()), "own": MemoryBackend()},
    act=lambda places: fork(places["parent"], places["own"], location="parent"),
    sound=fork_is_sound,
)


@cache
def grown_fork() -> tuple[MemoryBackend, MemoryBackend]:
    """A fork with a task of its own: its parent's storage and its own."""
    parent, own = copied(collected()), MemoryBackend()
    number = fork(parent, own, location="parent").number
    play_on(Store.open(ForkedBackend(own, parent, number)), (add_task("e", b"data of e"),))
    return parent, own


def forked_and_grown() -> Mapping[str, MemoryBackend]:
    parent, own = grown_fork()
    return {"parent": copied(parent), "own": copied(own), "target": MemoryBackend()}


def mirror_fork(places: Places) -> object:
    source = forked(places)
    assert source is not None
    return mirror(source, places["target"], at_once=1)


MIRRORING_A_FORK = Action(
    places=forked_and_grown,
    act=mirror_fork,
    sound=lambda places: fork_is_sound(places) and is_sound_or_none(places["target"]),
)
COLLECTING = Action(
    places=lambda: {"store": copied(lived())},
    act=lambda places: collect(Store.open(places["store"]), Retention(ancestors=0), grace_s=0),
    sound=lambda places: is_sound(places["store"]),
)


def damaged() -> Mapping[str, MemoryBackend]:
    store, other = copied(lived()), copied(lived())
    store.put(record_key(4), b"damaged")
    store.delete([record_key(5), blob_key(blob_id(b"data of a"))])
    store.put(blob_key(blob_id(b"data of b")), b"damaged")
    return {"store": store, "other": other}


HEALING = Action(
    places=damaged,
    act=lambda places: heal(places["store"], [places["other"]]),
    sound=lambda places: is_sound(places["other"]),
)
ACTIONS: Mapping[str, Action] = {
    "a child is published": playing(child()),
    "models of two tasks are published": playing(pair()),
    "a mirror is made": mirroring(lived, MemoryBackend),
    "a mirror is made of a store that has collected": mirroring(collected, MemoryBackend),
    "a mirror is brought up to date": mirroring(lived, mirrored),
    "a mirror is brought up to date over a collection": mirroring(collected, mirrored),
    "a mirror is brought up to date, many at once": mirroring(collected, mirrored, at_once=8),
    "a fork is made": FORKING,
    "a mirror is made of a fork": MIRRORING_A_FORK,
    "garbage is collected": COLLECTING,
    "damage is healed": HEALING,
}


FAULTS = (Fault.DEATH_BEFORE, Fault.DEATH_AFTER)


def enumerate_deaths(action: Action, fault: Fault, first: int, step: int) -> int:
    """Die at every `step`-th call to each of the storages; how many deaths that were."""
    whole, deaths = action.places(), 0
    action.act(whole)
    expected = {place: objects(backend) for place, backend in whole.items()}
    assert all(is_sound(backend) for place, backend in whole.items() if place != "own")
    for place in whole:
        for call in count(first, step):
            places = action.places()
            try:
                action.act({**places, place: FaultyBackend(places[place], at(call, fault))})
            except Killed:
                assert action.sound(places), (place, call)
                action.act(places)
                assert {name: objects(backend) for name, backend in places.items()} == expected, (place, call)
                deaths += 1
            else:
                break
    return deaths


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ACTIONS)
def test_death_at_some_calls_leaves_what_is_sound_and_can_be_completed(name: str, fault: Fault) -> None:
    step = 31 if name == "a mirror is made of a fork" else 4
    first = 0 if fault is Fault.DEATH_BEFORE else step // 2
    assert enumerate_deaths(ACTIONS[name], fault, first, step) > 1


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ACTIONS)
def test_death_at_every_call_leaves_what_is_sound_and_can_be_completed(name: str, fault: Fault) -> None:
    assert enumerate_deaths(ACTIONS[name], fault, 0, 1) > 10
