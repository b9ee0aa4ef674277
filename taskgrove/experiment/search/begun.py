"""What is settled when a search begins, so that it goes on as it began."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from taskgrove.domain.errors import BadValueError, StoreCorruptError
from taskgrove.experiment.measured import refuse_measured
from taskgrove.experiment.search.spec import SearchSpec
from taskgrove.experiment.spec import ExperimentSpec, canonical, number_of
from taskgrove.reports.pages.files import write_files
from taskgrove.store.header import read_header
from taskgrove.store.store import Store

BEGUN = "search.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What all trials of a search have in common, settled when it begins.

    Attributes:
        identity: sha256 of the settings.
        system: uuid of the store that trials branch off.
        at: The commit of it.
        threads: CPU threads of a job.
        population: See `SearchSpec`.
    """

    identity: str
    system: str
    at: int
    threads: int
    population: int


def settled(
    folder: Path, template: ExperimentSpec, search: SearchSpec, store: Store, trials: int, jobs: int
) -> Begun:
    """What an earlier call has settled, or what this one settles.

    Args:
        folder: Of the search.
        template: The experiment with its tasks.
        search: What is searched.
        store: What trials branch off, with root and tasks.
        trials, jobs: See `search`.

    Raises:
        BadValueError: The folder holds another search, or something is to be measured.
        StoreCorruptError: Its file is not one of ours.
    """
    refuse_measured(template, "a search")
    now = Begun(
        identity=_identity(template, search),
        system=read_header(store.backend).uuid,
        at=store.view().number,
        threads=number_of(template.train.threads) or max(1, (os.cpu_count() or 1) // jobs),
        population=search.settled_population(trials),
    )
    before = read_begun(folder)
    if before is None:
        write_files(folder, {BEGUN: msgspec.json.encode(now)})
        return now
    if (before.identity, before.system) != (now.identity, now.system):
        what = "on another store" if before.system != now.system else "with other settings"
        raise BadValueError(
            f"The search in {folder} was begun {what}. Only the number of trials and jobs and where they run "
            "may change; choose another folder for another search."
        )
    return before


def read_begun(folder: Path) -> Begun | None:
    """What the search in a folder has settled; None where there is none. Raises StoreCorruptError."""
    path = folder / BEGUN
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Begun)
    except msgspec.DecodeError as error:
        raise StoreCorruptError(
            f"{path} is not the file of a search ({error}). Restore it, or choose another folder."
        ) from error


def _identity(template: ExperimentSpec, search: SearchSpec) -> str:
    """sha256 of what decides the results, not of where they are worked out."""
    fields: dict[str, Any] = json.loads(canonical(template))
    for where in ("device", "executor", "workers", "resources"):
        del fields[where]
    text = json.dumps([fields, asdict(search)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
