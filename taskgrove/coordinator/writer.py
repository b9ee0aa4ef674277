"""Commits of one experiment, under ids from their positions, so that a repeated run writes the same log."""

from __future__ import annotations

import uuid
from typing import final

from taskgrove.coordinator.metered import Readings
from taskgrove.domain.ids import AgentName, CommitId, TaskName
from taskgrove.domain.records import (
    BeginIteration,
    Claim,
    EndIteration,
    FinishChild,
    FinishProbe,
    Operation,
    Publish,
)
from taskgrove.domain.seeds import derive
from taskgrove.store.store import Store


@final
class Writer:
    """Writes to a store for an experiment, under the claims that it has made.

    Args:
        store: Where.
        experiment: Its name.
    """

    def __init__(self, store: Store, experiment: str) -> None:
        self.store = store
        self.experiment = experiment
        self._tokens: dict[TaskName, int] = {}

    def claim(self, task: TaskName, agent: AgentName, holder: str) -> None:
        """From now on nobody else can grow the task, until somebody claims it after us."""
        operation = Claim(task=task, agent=agent, holder=holder)
        self._tokens[task] = self.store.commit(operation, id=CommitId(uuid.uuid4().hex)).number

    def commit(self, operation: Operation, *position: str | int, meters: Readings | None = None) -> int:
        """Append an operation; returns the number of its commit.

        Args:
            operation: See `Store.commit`, which also says what is raised.
            position: What distinguishes it within the experiment.
            meters: What it took.
        """
        identity = CommitId(f"{derive(self.experiment, *position):016x}")
        claim = self._token(operation)
        return self.store.commit(operation, id=identity, meters=meters, claim=claim).number

    def _token(self, operation: Operation) -> int | None:
        match operation:
            case BeginIteration(task=task) | FinishChild(task=task) | EndIteration(task=task):
                return self._tokens.get(task)
            case FinishProbe(task=task) | Publish(task=task):
                return self._tokens.get(task)
            case _:
                return None
