"""The index of blobs in use says what a search in all live models says, and older states stay right."""

from __future__ import annotations

from taskgrove.domain.ids import BlobId
from taskgrove.domain.records import Commit
from taskgrove.domain.view import SystemView
from taskgrove.store import log
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.blobs import referenced_by, unreferenced
from taskgrove.store.in_use import InUse
from taskgrove.store.state import State
from taskgrove.store.store import Store
from taskgrove.store.upkeep.collect import collect
from taskgrove.testing.scripts import life, play, retire


def states(commits: list[Commit]) -> list[State]:
    found = [State()]
    for commit in commits:
        found.append(log.advance(found[-1], commit, ""))
    return found


def test_the_index_agrees_with_a_search_at_every_state_in_any_order() -> None:
    store = Store.create(MemoryBackend())
    play(store, [*life(("a", "b"), 3), retire("a")])
    commits = [*store.history()]
    blobs = frozenset[BlobId]().union(*(referenced_by(commit.operation) for commit in commits))
    views: list[SystemView] = [state.view for state in states(commits)]
    in_use = InUse()
    for view in (*views, *reversed(views), views[-1], views[3]):
        assert in_use.unreferenced(view, blobs) == unreferenced(view, blobs)
    assert in_use.unreferenced(views[0], blobs) == blobs


def test_a_store_that_was_collected_has_the_state_that_a_search_gives() -> None:
    store = Store.create(MemoryBackend())
    steps = life(("a", "b"), 2)
    play(store, steps[: len(steps) // 2])
    store.put_blob(b"garbage")
    collect(store, grace_s=0)
    play(store, steps)
    assert store.state.epoch == 1
    assert store.state.epochs
    searched = State()
    for commit, head in log.read(store.backend, 0, ""):
        searched = log.advance(searched, commit, head)
    assert store.state == searched == Store.open(store.backend).state
