"""Jobs that several trials have in common are done once: what they gave is kept under what they are.

A job has the ids of everything it builds on, and its seed, so equal jobs give equal results. Trials whose
grow sequences begin alike share that beginning; so do all trials their independent nets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar, final

import msgspec

from taskgrove.coordinator.base import Work
from taskgrove.domain.ids import BlobId
from taskgrove.domain.jobs import (
    EvaluateJob,
    JobFailed,
    Outcome,
    ProbeJob,
    ProbeResult,
    Study,
    TrainJob,
    TrainResult,
    ValidateResult,
)
from taskgrove.domain.records import Evaluation
from taskgrove.experiment.search.lock import held
from taskgrove.store.backends import open_backend
from taskgrove.store.blobs import copy_of
from taskgrove.store.fork import open_place
from taskgrove.store.store import Store

J = TypeVar("J", TrainJob, EvaluateJob, Study)
Result = Outcome | Evaluation | ProbeResult | ValidateResult
R = TypeVar("R", bound=Result)
REMEMBERED = "remembered_jobs"
"""The meter that counts results that were known."""
LASTING_FAILURES = ("diverged",)
"""Failures that are properties of the job, not of the machine."""


class Known(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a job gave: one of five kinds of results.

    Attributes:
        system: The trial whose store has the blobs.
    """

    system: str
    trained: TrainResult | None = None
    failed: JobFailed | None = None
    evaluated: Evaluation | None = None
    probed: ProbeResult | None = None
    validated: ValidateResult | None = None


@final
class Memory:
    """What has been worked out by any trial of a search, in a folder that its processes share.

    Blobs stay in the store of the trial that made them, and are copied into that of one that remembers
    them; when they are gone, the job is done again.

    Args:
        folder: Made when missing.
        device: Type of device that computes: another one gives other last bits.
        system: Where the trial's system lies, beside those of the others.
        store: Of the trial.
        work: What is done when nothing is remembered.
    """

    def __init__(self, folder: Path, device: str, system: Path, store: Store, work: Work) -> None:
        self._folder = folder
        self._backend = open_backend(str(folder))
        self._device = device
        self._system = system
        self._store = store
        self._work = work
        self._hits = 0

    def as_work(self) -> Work:
        """The same work, done once."""
        return Work(train=self._train, evaluate=self._evaluate, study=self._study, meters=self._meters)

    def _train(self, job: TrainJob) -> Outcome:
        return self._once(self._work.train, job)

    def _evaluate(self, job: EvaluateJob) -> Evaluation:
        return self._once(self._work.evaluate, job)

    def _study(self, study: Study) -> ProbeResult | ValidateResult:
        return self._once(self._work.study, study)

    def _meters(self) -> Mapping[str, float]:
        return {**self._work.meters(), REMEMBERED: float(self._hits)}

    def _once(self, make: Callable[[J], R], job: J) -> R:
        key = self._key(job)
        # Another trial that wants the same at the same moment waits for this one.
        with held(self._folder / "locks" / key, wait=True):
            known = self._recall(key)
            if known is not None:
                self._hits += 1
                return known  # type: ignore[return-value]  # the key has the type of the job in it
            result = make(job)
            self._keep(key, result)
            return result

    def _key(self, job: TrainJob | EvaluateJob | Study) -> str:
        if isinstance(job, ProbeJob):  # where its models were chosen tells nothing of what they are
            job = replace(job, at=-1)
        named = [self._device, type(job).__name__, asdict(job)]
        text = json.dumps(named, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def _recall(self, key: str) -> Result | None:
        """A result that is known; None when it is not, or when some of it is damaged or gone."""
        try:
            known = msgspec.json.decode(self._backend.get(_place(key)) or b"", type=Known)
        except msgspec.DecodeError:
            return None
        found = known.trained or known.failed or known.evaluated or known.probed or known.validated
        if isinstance(found, TrainResult) and not self._restored(found, known.system):
            return None
        return found

    def _restored(self, result: TrainResult, system: str) -> bool:
        """Copy what was trained into the trial's store; False when some of it is gone."""
        if system == self._system.name:
            source = self._store.backend
        else:
            source = open_place(str(self._system.with_name(system)))
        for blob in _blobs(result):
            data = copy_of(source, blob)
            if data is None:
                return False
            self._store.put_blob(data)
        return True

    def _keep(self, key: str, result: Result) -> None:
        if isinstance(result, JobFailed) and result.kind not in LASTING_FAILURES:
            return
        self._backend.put(_place(key), msgspec.json.encode(_known(result, self._system.name)))


def _place(key: str) -> str:
    return f"results/{key[:2]}/{key}.json"


def _blobs(result: TrainResult) -> Iterator[BlobId]:
    for trained in result.trained.values():
        yield BlobId(trained.component)
        if trained.momentum is not None:
            yield trained.momentum


def _known(result: Result, system: str) -> Known:
    match result:
        case TrainResult():
            return Known(system=system, trained=result)
        case JobFailed():
            return Known(system=system, failed=result)
        case Evaluation():
            return Known(system=system, evaluated=result)
        case ProbeResult():
            return Known(system=system, probed=result)
        case ValidateResult():
            return Known(system=system, validated=result)
