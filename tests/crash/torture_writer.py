"""A writer to be killed: it grows one task of a store without end and notes what the store acknowledged.

    python -m tests.crash.torture_writer PLACE NAME FOLDER [collects]

A note is appended to a file only after the store has answered, so whatever is in the file must be in the log.
Started again, it goes on with the step after the last noted one, under the id that this step always has.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import TypeVar

from taskgrove.domain.errors import BlobsCollectedError, CommitRefusedError, EnvironmentFailure
from taskgrove.domain.ids import CommitId
from taskgrove.domain.records import (
    BeginIteration,
    Commit,
    EndIteration,
    FinishChild,
    Model,
    Operation,
    Tag,
    identified,
)
from taskgrove.store.backends import open_backend
from taskgrove.store.backends.cloud import CloudBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.store import Store
from taskgrove.store.upkeep.collect import collect
from taskgrove.store.upkeep.retention import Retention
from taskgrove.testing.scripts import (
    Step,
    accept,
    add_root,
    add_task,
    begin,
    claim,
    component,
    end,
    evaluate,
    measure,
    note,
    reject,
    retire,
    tag,
)

T = TypeVar("T")
CLAIM = -1
"""The step of a claim, which every start makes anew."""
COLLECTS = "collects"
_PATIENCE_S = 2.0
_PAUSE_S = 0.05
_SELDOM = 25
"""Iterations from one tag, and from one task that comes and goes, to the next."""
_CHANCE = 0.03
"""That the collector looks for garbage after a step."""
_SLOW = 0.05
"""Chance of a pause between putting blobs and committing them, in which they may be collected."""
_SLOW_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Acked:
    """A commit that the store has acknowledged.

    Attributes:
        step: Of the writer's life, from 0; `CLAIM` for a claim.
        id, number: Of the commit.
        digest: Of its operation.
    """

    step: int
    id: str
    number: int
    digest: str


def digest_of(operation: Operation) -> str:
    """sha256 of all that an operation says."""
    return hashlib.sha256(repr(operation).encode()).hexdigest()


def acked_in(path: Path) -> list[Acked]:
    """What a writer has noted so far."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Acked(**json.loads(line)) for line in lines]


def backend_of(place: str) -> AbstractBackend:
    """The storage; a server that does not answer is complained about soon."""
    return CloudBackend(place, patience_s=_PATIENCE_S) if "://" in place else open_backend(place)


def life(task: str) -> Iterator[Step]:
    """Task iterations without end; a tag names the commit before it, whose number only the writer knows."""
    _, best = add_root()
    for iteration in count():
        yield begin(task, iteration)
        first, parent = child(best, task, iteration, 0)
        second, best = child(parent, task, iteration, 1)
        yield from (first, reject(parent, task, iteration, 2), second, end(task, best.id, iteration))
        yield from (evaluate(best), measure(task, iteration), note("on we go", task))
        if iteration % _SELDOM == 1:
            guest = f"{task}-guest-{iteration}"
            yield from (tag(f"{task}-{iteration}", 0), add_task(guest, _shared(iteration)), retire(guest))


def child(parent: Model, task: str, iteration: int, number: int) -> tuple[Step, Model]:
    """An accepted child with a body that other writers have too, now and again."""
    step, model = accept(parent, task, iteration, number)
    body = _shared(iteration)
    model = identified(replace(model, components=(component("body", body), *model.components[1:])))
    assert isinstance(step.operation, FinishChild)
    return Step(replace(step.operation, model=model), (body, *step.blobs)), model


def _shared(iteration: int) -> bytes:
    return f"shared {iteration % 7} ".encode() * 2_000


class Writer:
    """One life of the process.

    Args:
        place: Of the store.
        name: Of the writer and of its task.
        folder: Where its notes are.
    """

    def __init__(self, place: str, name: str, folder: Path) -> None:
        self._name = name
        self._done = [done for done in acked_in(folder / f"{name}.acked") if done.step != CLAIM]
        self._acked = (folder / f"{name}.acked").open("a", encoding="utf-8", buffering=1)
        self._remarks = (folder / f"{name}.remarks").open("a", encoding="utf-8", buffering=1)
        self._random = Random(f"{name} {len(self._done)}")
        self._token: int | None = None
        self._store = self._insist(lambda: Store.open(backend_of(place)))
        self._token = self._committed(CLAIM, claim(name, f"{name} {os.getpid()}"), uuid.uuid4().hex).number

    def write(self, collects: bool) -> None:
        """Go on until the process is killed."""
        start, last = len(self._done), self._done[-1] if self._done else None
        for number, step in enumerate(islice(life(self._name), start, None), start):
            if isinstance(step.operation, Tag) and last is not None:
                step = Step(replace(step.operation, number=last.number))
            last = self._committed(number, step, f"{self._name}-{number}")
            if collects and self._random.random() < _CHANCE:
                self._collect()

    def _committed(self, number: int, step: Step, identity: str) -> Acked:
        commit = self._commit(step, CommitId(identity))
        acked = Acked(step=number, id=commit.id, number=commit.number, digest=digest_of(commit.operation))
        self._acked.write(json.dumps(asdict(acked)) + "\n")
        return acked

    def _commit(self, step: Step, identity: CommitId) -> Commit:
        grows = isinstance(step.operation, BeginIteration | FinishChild | EndIteration)
        token = self._token if grows else None
        while True:
            for data in step.blobs:
                self._insist(partial(self._store.put_blob, data))
            if step.blobs and self._random.random() < _SLOW:
                time.sleep(_SLOW_S)
            try:
                return self._insist(lambda: self._store.commit(step.operation, id=identity, claim=token))
            except BlobsCollectedError:
                self._remark("put_again")

    def _collect(self) -> None:
        try:
            collect(self._store, Retention(ancestors=0), grace_s=0)
        except (EnvironmentFailure, CommitRefusedError) as error:
            self._remark(error.kind)
        else:
            self._remark("collected")

    def _insist(self, act: Callable[[], T]) -> T:
        """Do it again while the storage fails; what it says is noted."""
        while True:
            try:
                return act()
            except EnvironmentFailure as error:
                self._remark(error.kind)
                time.sleep(_PAUSE_S)

    def _remark(self, word: str) -> None:
        self._remarks.write(f"{word}\n")


def main(place: str, name: str, folder: str, *words: str) -> None:
    """Write until killed."""
    Writer(place, name, Path(folder)).write(collects=COLLECTS in words)


if __name__ == "__main__":
    main(*sys.argv[1:])
