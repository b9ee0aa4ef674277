"""Which blobs are in use, kept up from one state to the next instead of looked for in all live models."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from taskgrove.domain.ids import BlobId, ModelId, TaskName
from taskgrove.domain.records import Model, TaskSpec
from taskgrove.domain.view import SystemView
from taskgrove.store.blobs import blobs_of

K = TypeVar("K")
V = TypeVar("V")


class InUse:
    """Counts who refers to each blob, at the view that it was asked about last; threads may share it.

    Nothing is counted before the first question. Asked about another view, it takes in what differs.
    """

    def __init__(self) -> None:
        self._models: Mapping[ModelId, Model] = {}
        self._tasks: Mapping[TaskName, TaskSpec] = {}
        self._users: Counter[BlobId] = Counter()
        self._lock = threading.Lock()

    def unreferenced(self, view: SystemView, blobs: frozenset[BlobId]) -> frozenset[BlobId]:
        """What the function of this name says."""
        with self._lock:
            self._models = self._followed(self._models, view.models, blobs_of)
            self._tasks = self._followed(self._tasks, view.tasks, _data_of)
            return frozenset(blob for blob in blobs if blob not in self._users)

    def _followed(
        self, before: Mapping[K, V], after: Mapping[K, V], blobs: Callable[[V], Iterable[BlobId]]
    ) -> Mapping[K, V]:
        """Count what is in one mapping and not in the other; a key never gets another value."""
        if after is before:
            return after
        for key in after.keys() - before.keys():
            self._users.update(blobs(after[key]))
        for key in before.keys() - after.keys():
            for blob in blobs(before[key]):
                self._users[blob] -= 1
                if not self._users[blob]:
                    del self._users[blob]
        return after


def _data_of(task: TaskSpec) -> tuple[BlobId, ...]:
    return () if task.data is None else (task.data,)
