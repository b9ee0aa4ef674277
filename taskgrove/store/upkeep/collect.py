"""Garbage collection, fenced by the log: first a commit that condemns names for ever, then their deletion.

No clock decides anything: a writer whose blobs are condemned before it has committed them finds the epoch
raised, and must put them again under a new name. ADR 0013.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from taskgrove.domain.errors import BadValueError, CommitRefusedError
from taskgrove.domain.records import Condemn
from taskgrove.store.base import AbstractBackend, Entry
from taskgrove.store.forked import owned
from taskgrove.store.header import PROBE
from taskgrove.store.keys import BLOBS, blob_of
from taskgrove.store.store import Store
from taskgrove.store.upkeep.names import Name, key_of
from taskgrove.store.upkeep.retention import Past, Retention, survey, widened
from taskgrove.store.upkeep.together import Told, silent

GRACE_S = 24 * 3600.0
"""How long blobs that nobody refers to are left alone: their writer may be about to commit them."""
STRAY_S = 24 * 3600.0
"""Nobody takes a day to write one object, so what is that old was left by a process that was killed."""
_AT_ONCE = 10_000
_DELETED_AT_ONCE = 1_000
_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection did, or in a dry run would have done.

    Attributes:
        num_blobs: Listed in the store.
        num_condemned, condemned_bytes: Found to be garbage now.
        num_left: Condemned by an earlier collection that was killed before it had deleted them.
        left_bytes: Their size.
        num_young: Not referred to by any commit, but too young to be judged.
        num_swept: Temporary objects that killed processes had left a day ago or earlier; 0 in a dry run.
    """

    num_blobs: int
    num_condemned: int
    condemned_bytes: int
    num_left: int
    left_bytes: int
    num_young: int
    num_swept: int = 0


def collect(
    store: Store,
    retention: Retention | None = None,
    *,
    grace_s: float = GRACE_S,
    dry_run: bool = False,
    told: Told = silent,
) -> Collected:
    """Delete the blobs that nothing needs; records stay.

    Args:
        store: Writable, unless in a dry run. Of a fork, only its own blobs are looked at.
        retention: What is needed; by default every model of the tasks that are in the system.
        grace_s: Unreferenced blobs younger than this stay (s).
        dry_run: Only look.
        told: Hears of the progress.

    Raises:
        BadValueError: A negative number of ancestors or seconds.
        CommitRefusedError: Others commit so fast that no moment was found; try again later.
        EnvironmentFailure: The storage fails.
    """
    policy = retention or Retention()
    if grace_s < 0 or (policy.ancestors or 0) < 0:
        raise BadValueError(
            f"Got a grace of {grace_s} s or {policy.ancestors} generations of ancestors; use 0 or more."
        )
    store.refresh()
    past = survey(store, policy, told)
    own = owned(store.backend)
    found = _listed(own)
    young = _young(found, past, store.clock() - grace_s)
    left = sorted(found.keys() & past.condemned)
    garbage = sorted(found.keys() - past.kept - past.condemned - young)
    swept = 0
    if not dry_run:
        swept = _swept(own, store.clock() - STRAY_S)
        garbage = _condemn(store, past, garbage, str(policy), told)
        _delete(own, [*left, *garbage], told)
    return Collected(
        num_blobs=len(found),
        num_condemned=len(garbage),
        condemned_bytes=sum(found[name].size_bytes for name in garbage),
        num_left=len(left),
        left_bytes=sum(found[name].size_bytes for name in left),
        num_young=len(young),
        num_swept=swept,
    )


def _swept(backend: AbstractBackend, before: float) -> int:
    """Remove half-written objects, and probes, of processes that were killed."""
    probes = [entry.key for entry in backend.list(PROBE) if entry.mtime < before]
    backend.delete(probes)
    return len(probes) + backend.sweep(before)


def _listed(backend: AbstractBackend) -> Mapping[Name, Entry]:
    entries = ((blob_of(entry.key), entry) for entry in backend.list(BLOBS))
    return {name: entry for name, entry in entries if name is not None}


def _young(found: Mapping[Name, Entry], past: Past, oldest: float) -> frozenset[Name]:
    return frozenset(name for name, entry in found.items() if name not in past.known and entry.mtime > oldest)


def _condemn(store: Store, past: Past, garbage: Sequence[Name], reason: str, told: Told) -> list[Name]:
    """Commit that the names are dead; those that came into use meanwhile are left out."""
    waiting, done, tries = list(garbage), list[Name](), 0
    while waiting:
        told("condemning", len(done), len(done) + len(waiting))
        chunk = waiting[:_AT_ONCE]
        try:
            commit = store.commit(Condemn(blobs=tuple(chunk), seen=past.number, reason=reason))
        except CommitRefusedError:
            tries += 1
            if store.refresh().number == past.number or tries == _TRIES:
                raise
            past = widened(past, store)
            waiting = [name for name in waiting if name not in past.kept]
            continue
        done, waiting = done + chunk, waiting[_AT_ONCE:]
        past = replace(past, number=commit.number)
    return done


def _delete(backend: AbstractBackend, names: Sequence[Name], told: Told) -> None:
    for start in range(0, len(names), _DELETED_AT_ONCE):
        told("deleting", start, len(names))
        backend.delete(key_of(name) for name in names[start : start + _DELETED_AT_ONCE])
    told("deleting", len(names), len(names))
