"""One run of a comparison: a variant with a seed, on a system of its own, with a summary when it ends."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from taskgrove.coordinator.base import Event
from taskgrove.domain.errors import BadValueError, StoreCorruptError, StorePathError, TaskgroveError
from taskgrove.domain.view import SystemView
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.build import device_of, training_of
from taskgrove.experiment.crew import crew_of
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.measured import refuse_measured
from taskgrove.experiment.places import open_store
from taskgrove.experiment.sequence import unfinished
from taskgrove.experiment.spec import ExperimentSpec, canonical, number_of
from taskgrove.experiment.tables import located
from taskgrove.reports.analyses.outcome import Outcome, outcome_of
from taskgrove.reports.pages.files import write_files
from taskgrove.store.fork import open_place
from taskgrove.store.keys import BLOBS
from taskgrove.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A run of a comparison.

    Attributes:
        variant: Its label.
        seed: Of search and root; the specs have it already.
        specs: What is carried out, one segment after the other.
        store: Path of its system; what else is kept of it lies beside, under the same name.
        drop_weights: Whether the system's blobs are deleted once its summary is written.
    """

    variant: str
    seed: int
    specs: tuple[ExperimentSpec, ...]
    store: str
    drop_weights: bool = False

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.variant}, seed {self.seed}"

    @property
    def identity(self) -> str:
        """sha256 of what decides the result, up to the last bits: not of where it runs."""
        text = json.dumps([_deciding(spec) for spec in self.specs], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def beside(self, suffix: str) -> Path:
        """A file beside the system."""
        return Path(f"{self.store}.{suffix}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a run could not be finished.

    Attributes:
        kind, exit_code: Of the error.
        text: What it said.
    """

    kind: str
    exit_code: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a run is.

    Attributes:
        segment: Which of its experiments, from 1.
        segments: How many it has.
        done, total: Children of the segment, of those that were left.
        text: Of the newest event.
    """

    segment: int
    segments: int
    done: int
    total: int
    text: str

    @property
    def fraction(self) -> float:
        """Of the run, its segments taken for equally long."""
        return (self.segment - 1 + self.done / max(self.total, 1)) / self.segments


def recorded(trial: Trial) -> Outcome | None:
    """What the run gave, when it was finished with these settings.

    Raises:
        StoreCorruptError: The summary is not one of ours.
    """
    path = trial.beside("json")
    if not path.exists():
        return None
    try:
        outcome = msgspec.json.decode(path.read_bytes(), type=Outcome)
    except msgspec.DecodeError as error:
        raise StoreCorruptError(
            f"{path} is not the summary of a run ({error}). Delete it; the run is then summed up again."
        ) from error
    return outcome if outcome.identity == trial.identity else None


def prepared(trial: Trial, threads: int) -> Trial:
    """The run with the CPU threads of each experiment spelled out.

    Args:
        trial: An experiment that leaves them open and has begun goes on with those it began with.
        threads: For experiments that have not begun.

    Raises:
        BadValueError: Something is to be measured, or the run was begun with other settings, or goes on
            from weights that were dropped.
    """
    try:
        view = open_store(trial.store).state.view
    except StorePathError:
        view = SystemView()
    for spec in trial.specs:
        refuse_measured(spec, "a comparison")
    known = {name: json.loads(start.spec)["train"]["threads"] for name, start in view.experiments.items()}
    specs = (_spelled_out(spec, known.get(spec.name, 0), threads) for spec in trial.specs)
    ready = replace(trial, specs=tuple(specs))
    with located(ready.label):
        unfinished(ready.specs, view)
        if view.roots and recorded(ready) is None and not any(open_place(ready.store).list(BLOBS)):
            raise BadValueError(
                f"The run was finished with other settings and the weights in {ready.store} were dropped, so "
                "it cannot go on. Choose another folder, or delete this run's."
            )
    return ready


def _spelled_out(spec: ExperimentSpec, known: int, threads: int) -> ExperimentSpec:
    share = max(1, threads // crew_of(spec, device_of(spec)).workers)
    return replace(spec, train=replace(spec.train, threads=number_of(spec.train.threads) or known or share))


def attempt(trial: Trial, tell: Callable[[Step], Any]) -> Outcome | Failure:
    """Carry out or continue a run; whatever stops it is answered, so that other runs go on."""
    try:
        return carry_out(trial, tell)
    except TaskgroveError as error:
        return Failure(kind=error.kind, exit_code=error.exit_code, text=str(error))
    except Exception as error:  # a defect, or a foreign error: the other runs of a long night are not lost
        log = trial.beside("log")
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc(), encoding="utf-8")
        return Failure(kind="defect", exit_code=1, text=f"{error!r}; the traceback is in {log}.")


def carry_out(trial: Trial, tell: Callable[[Step], Any]) -> Outcome:
    """Carry out or continue a run and write its summary.

    Args:
        trial: What to do.
        tell: Told of every event.

    Raises:
        TaskgroveError: See `taskgrove.run`.
    """
    anew, began = not Path(trial.store).exists(), time.perf_counter()
    grove = open_or_create(trial.store, trial.specs[0].root)
    left = unfinished(trial.specs, grove.view())
    first = len(trial.specs) - len(left) + 1
    for segment, spec in enumerate(left, start=first):
        grove.run(spec, partial(_tell, tell, segment, len(trial.specs)))
    wall_s = time.perf_counter() - began if anew else None
    outcome = _outcome(trial, grove, wall_s)
    path = trial.beside("json")
    write_files(path.parent, {path.name: msgspec.json.format(msgspec.json.encode(outcome), indent=1)})
    if trial.drop_weights:
        drop_weights(trial)
    return outcome


def drop_weights(trial: Trial) -> None:
    """Delete the blobs of a run's system; its log stays and can be read, its models cannot be used."""
    backend = open_place(trial.store)
    backend.delete([entry.key for entry in backend.list(BLOBS)])


def _tell(tell: Callable[[Step], Any], segment: int, segments: int, event: Event) -> None:
    best = "" if event.best is None else f" · best {100 * event.best:.1f} %"
    text = f"{event.task} iteration {event.iteration}{best}"
    tell(Step(segment=segment, segments=segments, done=event.done, total=event.total, text=text))


def _outcome(trial: Trial, grove: Grove, wall_s: float | None) -> Outcome:
    return outcome_of(
        grove.view(),
        grove.evaluations(),
        grove.store.history(),
        variant=trial.variant,
        seed=trial.seed,
        identity=trial.identity,
        conditions=_conditions(trial.specs),
        wall_s=wall_s,
    )


def _conditions(specs: Sequence[ExperimentSpec]) -> str:
    device = device_of(specs[-1])
    train = training_of(specs[-1])
    return (
        f"Taskgrove {__version__}, torch {version('torch')}, Python {platform.python_version()}; {device}, "
        f"{os.cpu_count()} cores ({platform.machine()}), {train.threads} threads, {train.precision}, "
        f"{train.engine}"
    )


def _deciding(spec: ExperimentSpec) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(canonical(spec))
    del (
        fields["device"],
        fields["executor"],
        fields["workers"],
        fields["resources"],
        fields["train"]["threads"],
        fields["train"]["engine"],
    )
    fields["train"].pop("compile", None)
    return fields
