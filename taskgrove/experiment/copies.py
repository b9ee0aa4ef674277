"""Copies of systems by the texts that name their places: mirrors, forks, and healing from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from taskgrove.experiment.history import Moment, commit_number
from taskgrove.experiment.places import blob_cache, open_store
from taskgrove.store.fork import open_place
from taskgrove.store.upkeep.fork import Forked, fork_place
from taskgrove.store.upkeep.heal import Healed, heal
from taskgrove.store.upkeep.mirror import MirrorReport, mirror
from taskgrove.store.upkeep.together import Told, silent


def mirror_store(source: str | Path, target: str | Path, *, told: Told = silent) -> MirrorReport:
    """Make a place the same system as another, or bring it up to date; see `upkeep.mirror`."""
    return mirror(open_place(str(source)), open_place(str(target)), told)


def fork_store(source: str | Path, target: str | Path, *, at: Moment | None = None) -> Forked:
    """A new system that goes on from a commit of another and copies nothing; see `upkeep.fork`.

    Args:
        source: The system.
        target: An empty place.
        at: A commit as `commit_number` reads it; the newest by default.
    """
    number = None if at is None else commit_number(at, open_store(source).state)
    return fork_place(str(source), str(target), number)


def heal_store(
    path: str | Path, places: Sequence[str | Path], *, deep: bool = True, told: Told = silent
) -> Healed:
    """Check a system and put back what is damaged, from other places; see `upkeep.heal`."""
    backend, others = open_place(str(path)), [open_place(str(place)) for place in places]
    cache = blob_cache(backend)
    spare = cache.get if cache is not None else lambda _: None
    return heal(backend, others, spare=spare, deep=deep, told=told)
