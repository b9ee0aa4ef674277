"""Which blobs must be kept: what is live, what a tag names, and as much of the past as the policy says."""

from __future__ import annotations

from dataclasses import dataclass

from taskgrove.domain.ids import BlobId, ModelId, TaskName
from taskgrove.domain.records import AddTask, Tag, published_by
from taskgrove.store import log
from taskgrove.store.blobs import blobs_of
from taskgrove.store.store import Store
from taskgrove.store.upkeep.names import Lived, Name, condemned_by, live_names, names_of, walk
from taskgrove.store.upkeep.together import Told, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What of the past keeps its weights; records are kept whatever it says.

    Attributes:
        ancestors: Of each live model, so many generations of parents; None keeps every model of the tasks
            that are in the system.
    """

    ancestors: int | None = None

    def __str__(self) -> str:
        if self.ancestors is None:
            return "every model of the tasks in the system"
        return f"live and tagged models, and {self.ancestors} generations of their parents"


@dataclass(frozen=True, slots=True)
class Past:
    """What the history up to one commit refers to.

    Attributes:
        number: Of that commit.
        kept: Blob names that must stay.
        known: Every blob name that a commit ever referred to.
        condemned: Names condemned so far.
    """

    number: int
    kept: frozenset[Name]
    known: frozenset[Name]
    condemned: frozenset[Name]


def survey(store: Store, retention: Retention, told: Told = silent) -> Past:
    """Walk the log up to the head that the store last saw; for long logs the slow part of collecting.

    Args:
        store: Refreshed.
        retention: The policy.
        told: Hears of the progress.
    """
    head = store.state
    living = frozenset(head.view.models).union(*(opened.parents for opened in head.open.values()))
    wanted = None if retention.ancestors is None else _family(store, living, retention.ancestors)
    retired = frozenset(head.retired)
    pinned = set(head.tags.values())
    kept, known, condemned = set(live_names(head)), set[Name](), set[Name]()
    for lived in walk(store.backend, head.view.number):
        known |= lived.names
        condemned.update(condemned_by(lived.commit))
        kept |= _kept(lived, retired, living, wanted)
        if lived.commit.number in pinned:
            kept |= live_names(lived.state)
        told("reading commits", lived.commit.number + 1, head.view.number + 1)
    return Past(head.view.number, frozenset(kept), frozenset(known), frozenset(condemned))


def widened(past: Past, store: Store) -> Past:
    """The past with the commits since; all that they refer to, name or leave behind is kept.

    Args:
        past: At an earlier head.
        store: Refreshed.
    """
    state = store.state_at(past.number)
    kept, known, condemned = set(past.kept), set(past.known), set(past.condemned)
    for commit in store.history(past.number + 1, store.state.view.number + 1):
        state = log.advance(state, commit, "")
        lived = Lived(commit, state)
        kept |= lived.names
        known |= lived.names
        condemned.update(condemned_by(commit))
        if isinstance(commit.operation, Tag):
            kept |= live_names(store.state_at(commit.operation.number))
    return Past(store.state.view.number, frozenset(kept), frozenset(known), frozenset(condemned))


def _kept(
    lived: Lived, retired: frozenset[TaskName], living: frozenset[ModelId], wanted: frozenset[ModelId] | None
) -> frozenset[Name]:
    if isinstance(lived.commit.operation, AddTask):
        return frozenset() if lived.commit.operation.task.name in retired else lived.names
    models = [
        model
        for model in published_by(lived.commit)
        if (model.id in wanted if wanted is not None else model.task not in retired or model.id in living)
    ]
    return names_of(lived.state, frozenset[BlobId]().union(*map(blobs_of, models)))


def _family(store: Store, living: frozenset[ModelId], generations: int) -> frozenset[ModelId]:
    """Models that live or may still be chosen as parents, and so many generations before them."""
    parents: dict[ModelId, ModelId | None] = {}
    for commit in store.history(0, store.state.view.number + 1):
        parents.update((model.id, model.parent) for model in published_by(commit))
    family, youngest = set(living), set(living)
    for _ in range(generations):
        youngest = {parent for child in youngest if (parent := parents.get(child)) is not None} - family
        family |= youngest
    return frozenset(family)
