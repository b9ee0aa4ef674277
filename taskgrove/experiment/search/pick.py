"""Merging one trial of a search into the store that it branched off: its commits, one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import CommitId
from taskgrove.domain.records import Commit, Condemn, Note, Tag
from taskgrove.experiment.places import open_store
from taskgrove.experiment.search.begun import Begun, read_begun
from taskgrove.experiment.search.trial import TRIALS, recorded, store_of
from taskgrove.store.blobs import referenced_by, unreferenced
from taskgrove.store.header import read_header
from taskgrove.store.store import Store

_REMARKS = (Tag, Note)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """What a call of `pick` has done.

    Attributes:
        trial: Its number.
        num_commits: That it had of its own.
        already: Whether they had all been merged before.
    """

    trial: int
    num_commits: int
    already: bool


def pick(folder: str | Path, store: str | Path, *, trial: int) -> Picked:
    """Make the store of a search the system that a trial has grown, with its history.

    The same call completes one that was interrupted.

    Args:
        folder: Of the search.
        store: That the trials branched off.
        trial: Number of one that has ended.

    Raises:
        BadValueError: There is no such search or trial, the trial is unfinished, the store is another one, or
            it has grown since the trials branched off.
    """
    place = Path(folder)
    begun = _finished(place, trial)
    target = open_store(store, writable=True)
    if read_header(target.backend).uuid != begun.system:
        raise BadValueError(
            f"The trials in {place} branched off another system than the one in {store}. Name the store that "
            "the search was given."
        )
    source = open_store(store_of(place, trial))
    # Remarks name commits by numbers that others have there; what was condemned is garbage of the branch.
    own = [c for c in source.history(begun.at + 1) if not isinstance(c.operation, (*_REMARKS, Condemn))]
    there = _there(target, own, begun.at, trial)
    _merge(source, target, own, there)
    return Picked(trial=trial, num_commits=len(own), already=len(there) == len(own))


def _finished(folder: Path, trial: int) -> Begun:
    """What the search has settled, if it has such a trial and it has ended."""
    begun = read_begun(folder)
    if begun is None:
        raise BadValueError(
            f"There is no search in {folder}; name the folder given to `taskgrove search --out`."
        )
    if recorded(folder, trial) is not None:
        return begun
    ended = sorted(int(path.stem) for path in (folder / TRIALS).glob("*.json"))
    known = ", ".join(map(str, ended)) or "none yet"
    begins = "is unfinished" if store_of(folder, trial).exists() else "does not exist"
    raise BadValueError(
        f"Trial {trial} of the search in {folder} {begins}. Let the search end, or choose one of those that "
        f"have: {known}."
    )


def _there(target: Store, own: Sequence[Commit], at: int, trial: int) -> dict[CommitId, int]:
    """The numbers of those of a trial's commits that the store has already.

    Raises:
        BadValueError: It has others.
    """
    wanted = {commit.id for commit in own}
    found = [c for c in target.history(at + 1) if not isinstance(c.operation, _REMARKS)]
    other = next((commit for commit in found if commit.id not in wanted), None)
    if other is not None:
        raise BadValueError(
            f"The store has grown since the trials branched off at commit {at}: its commit {other.number} is "
            f"a {type(other.operation).__name__} that is not of trial {trial}. Only one trial can be merged, "
            "and none after other growth; search again from the store as it is now."
        )
    return {commit.id: commit.number for commit in found}


def _merge(source: Store, target: Store, own: Sequence[Commit], there: Mapping[CommitId, int]) -> None:
    """Repeat the commits that are missing, under their ids."""
    numbers: dict[int, int] = {}
    for commit in own:
        if commit.id in there:
            numbers[commit.number] = there[commit.id]
            continue
        for blob in sorted(unreferenced(target.view(), referenced_by(commit.operation))):
            target.put_blob(source.get_blob(blob))
        claim = None if commit.claim is None else numbers.get(commit.claim, commit.claim)
        merged = target.commit(commit.operation, id=commit.id, meters=commit.meters, claim=claim)
        numbers[commit.number] = merged.number
