"""Whoever looks on while a system grows: notes every commit and what every published model predicts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import BeginIteration, Claim, Commit, EndIteration, FinishChild
from taskgrove.experiment.api import open as open_grove
from taskgrove.experiment.grove import Grove
from taskgrove.serving.prediction import Prediction

_IMAGES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A model that became its task's.

    Attributes:
        number: Of the commit.
        task, model: Which.
        bits: sha256 of what the model predicted at that time.
    """

    number: int
    task: TaskName
    model: str
    bits: str


class Witness:
    """Looks at a system now and again, and remembers.

    Args:
        store: Where the system is.
    """

    def __init__(self, store: str) -> None:
        self._grove = open_grove(store, writable=False)
        self._images = batch()
        self.commits: list[str] = []
        """sha256 of what each commit said, by number."""
        self.publications: list[Publication] = []
        self.working: set[int] = set()
        """Ids of the processes that have claimed a task."""

    def look(self) -> None:
        """Note what has been committed since the last time."""
        for commit in self._grove.store.history(len(self.commits)):
            self.commits.append(content(commit))
            operation = commit.operation
            if isinstance(operation, Claim):
                self.working.add(int(operation.holder.split(":")[1]))
            if isinstance(operation, EndIteration) and operation.best is not None:
                made = self._predicted(commit.number, operation.task, operation.best)
                self.publications.append(
                    Publication(
                        number=commit.number, task=operation.task, model=operation.best, bits=bits(made)
                    )
                )

    def _predicted(self, number: int, task: TaskName, model: str) -> Prediction:
        made = self._grove.predict(task, self._images)
        return made if made.model == model else self._grove.at(number).predict(task, self._images)


def content(commit: Commit) -> str:
    """sha256 of all that a commit says, its time included."""
    return hashlib.sha256(repr(commit).encode()).hexdigest()


def batch() -> NDArray[np.uint8]:
    """The images on which models are compared."""
    return np.random.default_rng(7).integers(0, 256, (_IMAGES, 8, 8, 1), dtype=np.uint8)


def bits(prediction: Prediction) -> str:
    """sha256 of the bytes of all probabilities."""
    return hashlib.sha256(prediction.probabilities.tobytes()).hexdigest()


def changed(grove: Grove, publications: Iterable[Publication]) -> list[Publication]:
    """The publications that do not predict what they predicted."""
    images, found = batch(), []
    for one in publications:
        made = grove.at(one.number).predict(one.task, images)
        if (made.model, bits(made)) != (one.model, one.bits):
            found.append(one)
    return found


def zombies(commits: Iterable[Commit]) -> list[Commit]:
    """Commits that grew a task under another claim than the newest at their place in the log."""
    newest: dict[TaskName, int] = {}
    found = []
    for commit in commits:
        operation = commit.operation
        if isinstance(operation, Claim):
            newest[operation.task] = commit.number
        elif isinstance(operation, BeginIteration | FinishChild | EndIteration) and (
            commit.claim is None or commit.claim != newest.get(operation.task)
        ):
            found.append(commit)
    return found
