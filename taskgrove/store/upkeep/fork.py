"""Forking a system: a new one that goes on from any commit of another, and copies nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from taskgrove.domain.errors import (
    BadValueError,
    EnvironmentFailure,
    StorageAccessError,
    StorePathError,
)
from taskgrove.domain.ids import CommitId
from taskgrove.domain.records import Tag
from taskgrove.store.backends import open_backend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.fork import lasting, open_place, parent_of
from taskgrove.store.forked import ForkedBackend
from taskgrove.store.header import Parent, probe, read_header, write_header
from taskgrove.store.store import Store
from taskgrove.store.upkeep.names import condemned_by, live_names

_PREFIX = "fork-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked:
    """What a fork is.

    Attributes:
        number: The newest commit that it shares with its parent.
        tag: Names that commit in the parent, whose collector keeps what is live there.
        parent: Where the parent lies.
    """

    number: int
    tag: str
    parent: str


def fork_place(source: str, target: str, number: int | None = None) -> Forked:
    """Fork the store that a text names into the place that another names.

    A fork of a fork, taken before the latter began, becomes a fork of the first parent.

    Args:
        source, target: See `open_place`.
        number: Of a commit; None takes the newest.

    Raises:
        UserError, StoreError, EnvironmentFailure: See `fork`.
    """
    opened = open_place(source)
    while number is not None and isinstance(opened, ForkedBackend) and number <= opened.number:
        parent = parent_of(opened)
        source = source if parent is None or parent.location is None else parent.location
        opened = open_place(source)
    return fork(opened, open_backend(target), location=lasting(source), number=number)


def fork(
    source: AbstractBackend, target: AbstractBackend, *, location: str, number: int | None = None
) -> Forked:
    """Make an empty place a system that goes on from a commit of another; repeated, it is completed.

    The parent gets a tag at that commit, so that its collector keeps what the fork needs, and is not
    changed otherwise, now or later.

    Args:
        source: Holds the parent.
        target: Empty.
        location: The text that opens the parent from anywhere.
        number: Of the commit; None takes the newest.

    Raises:
        StorePathError: There is no parent, or `target` is not empty.
        BadValueError: There is no such commit, or what was live there has been collected.
        StorageAccessError: The parent cannot be written to, so it cannot promise to keep anything.
        StoreError: The parent is damaged.
    """
    store = Store.open(source, writable=False)
    number = _newest(store) if number is None else number
    if number < 0:
        raise BadValueError(
            f"{source} cannot be forked at commit {number}: forks begin at commit 0 or later."
        )
    state = store.state_at(number)
    tag = _tag_of(store.state.tags, state.head, number)
    if tag not in store.state.tags:
        _refuse_collected(store, number)
        store = _tagged(source, tag, number)
        _refuse_collected(store, number)
    uuid = read_header(source).uuid
    _settle(target, Parent(location=location, uuid=uuid, number=number, head=state.head))
    probe(target)
    return Forked(number=number, tag=tag, parent=location)


def _newest(store: Store) -> int:
    """The newest commit, but that of an earlier fork's tag: forks of the same system share theirs."""
    number = store.state.view.number
    newest = next(store.history(max(number, 0)), None)
    if newest is None or not isinstance(newest.operation, Tag):
        return number
    tag = newest.operation
    return tag.number if tag.name.startswith(_PREFIX) and tag.number == number - 1 else number


def _tag_of(tags: Mapping[str, int], head: str, number: int) -> str:
    """A name that only this commit can have, the same for all forks of it."""
    names = (f"{_PREFIX}{head[:length]}" for length in (8, 16, 64))
    return next(name for name in names if tags.get(name, number) == number)


def _refuse_collected(store: Store, number: int) -> None:
    newest = store.state.view.number
    if number == newest:
        return
    dead = {name for commit in store.history(number + 1, newest + 1) for name in condemned_by(commit)}
    if dead and not dead.isdisjoint(live_names(store.state_at(number))):
        raise BadValueError(
            f"Weights that were live at commit {number} of {store.backend} have been collected as garbage "
            "since, so nothing can go on from there. Fork a later commit, or a tagged one; tags are kept."
        )


def _tagged(source: AbstractBackend, tag: str, number: int) -> Store:
    try:
        store = Store.open(source)
        store.commit(Tag(name=tag, number=number), id=CommitId(tag))
    except EnvironmentFailure as error:
        raise StorageAccessError(
            f"{source} cannot be forked, since it cannot be written to ({error}): a fork copies nothing, so "
            "a tag must tell the parent's collector what to keep. Make a copy with `taskgrove mirror`."
        ) from error
    return store


def _settle(target: AbstractBackend, parent: Parent) -> None:
    try:
        write_header(target, parent)
    except StorePathError:
        found = parent_of(target)
        if found is None or (found.uuid, found.head) != (parent.uuid, parent.head):
            raise
