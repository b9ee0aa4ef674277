"""What commits mean for the tables of the index: the fold of the log as rows."""

from __future__ import annotations

import sqlite3
from typing import final

from taskgrove.domain.ids import BlobId, ModelId, TaskName
from taskgrove.domain.records import (
    AddEvaluation,
    AddRoot,
    AddTask,
    BeginIteration,
    BeginRound,
    Commit,
    EndIteration,
    Evaluation,
    FinishChild,
    Model,
    Note,
    Publish,
    Retire,
    Tag,
)


@final
class Writer:
    """Writes consecutive commits inside one transaction; a new transaction needs a new writer.

    The rules of `store.state.apply` in SQL; the laws of the index compare the two.

    Args:
        connection: In a transaction that the caller began and will commit.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self._run_all = connection.executemany
        self._names: dict[str, int] = {}
        self._blobs: dict[BlobId, int] = {}
        self._new_blobs: list[tuple[int, bytes, int]] = []
        self._uses: list[tuple[int, int]] = []
        self._next_blob = (self._first("SELECT max(id) FROM blobs") or 0) + 1

    def write(self, commit: Commit) -> None:
        """Add what the commit did."""
        number, operation = commit.number, commit.operation
        match operation:
            case AddRoot(model=model):
                self._live(model, number)
            case AddTask(task=task):
                self._name(task.name)
                if task.data is not None:
                    self._blob(task.data, number)
            case BeginIteration(task=name):
                self._close(name, self._best(name), number)
            case BeginRound(iterations=iterations):
                for name in iterations:
                    self._close(name, self._best(name), number)
            case FinishChild(model=model) if model is not None:
                self._live(model, number)
            case EndIteration():
                self._end(operation, number)
            case Publish():
                self._publish(operation, number)
            case Retire(task=name):
                self._close(name, None, number)
                self._replace(name, None, number)
            case AddEvaluation(evaluation=evaluation):
                self._evaluation(evaluation, number)
            case Note(task=about, text=text):
                task_id = None if about is None else self._name(about)
                self._run("INSERT INTO notes VALUES (?, ?, ?)", (number, task_id, text))
            case Tag(name=tag, number=target):
                self._run("INSERT INTO tags VALUES (?, ?, ?)", (number, tag, target))

    def finish(self) -> None:
        """Write what was kept back; rows in the order of their table are written faster."""
        self._run_all("INSERT INTO blobs VALUES (?, ?, ?)", self._new_blobs)
        self._run_all("INSERT INTO uses VALUES (?, ?)", sorted(self._uses))

    def _end(self, end: EndIteration, number: int) -> None:
        best = None if end.best is None else self._model_id(end.best)
        self._close(end.task, best, number)
        if best is not None:
            self._replace(end.task, best, number)
        self._iteration(end, end.task, best, end.score, number)

    def _publish(self, publish: Publish, number: int) -> None:
        for model in publish.models:
            if model.task is not None:
                self._retire_model(self._best(model.task), number)
                made = self._live(model, number)
                self._replace(model.task, made, number)
                self._iteration(publish, model.task, made, None, number)

    def _iteration(
        self, of: EndIteration | Publish, task: TaskName, best: int | None, score: float | None, number: int
    ) -> None:
        names = (self._name(of.experiment), self._name(of.agent))
        row = (self._name(task), number, *names, of.iteration, best, score)
        self._run("INSERT INTO iterations VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _evaluation(self, found: Evaluation, number: int) -> None:
        row = (self._model_id(found.model), number, self._name(found.split), found.accuracy)
        self._run("INSERT INTO evaluations VALUES (?, ?, ?, ?)", row)

    def _live(self, model: Model, number: int) -> int:
        """A model that is live from now on; it may have been live before."""
        known = self._model_id(model.id)
        made = self._insert(model, number) if known is None else known
        if self._first("SELECT 1 FROM lives WHERE model = ? AND stop IS NULL", made) is not None:
            return made  # an accepted child that is published together with others
        task = None if model.task is None else self._name(model.task)
        self._run("INSERT INTO lives VALUES (?, ?, ?, NULL)", (made, task, number))
        return made

    def _insert(self, model: Model, number: int) -> int:
        row = (
            bytes.fromhex(model.id),
            number,
            None if model.task is None else self._name(model.task),
            None if model.agent is None else self._name(model.agent),
            None if model.parent is None else self._model_id(model.parent),
            model.quality,
        )
        made = self._run("INSERT INTO models VALUES (NULL, ?, ?, ?, ?, ?, ?)", row).lastrowid or 0
        for component in model.components:
            if component.momentum is not None:
                self._blob(component.momentum, number)
        held = {self._blob(BlobId(component.id), number) for component in model.components}
        self._uses.extend((blob, made) for blob in held)
        return made

    def _close(self, task: TaskName, keep: int | None, number: int) -> None:
        """End the lives of all models of a task but one."""
        self._run(
            "UPDATE lives SET stop = ? WHERE task = ? AND stop IS NULL AND model IS NOT ?",
            (number, self._name(task), keep),
        )

    def _retire_model(self, model: int | None, number: int) -> None:
        self._run("UPDATE lives SET stop = ? WHERE model = ? AND stop IS NULL", (number, model))

    def _replace(self, task: TaskName, best: int | None, number: int) -> None:
        """Make a model the task's best, or leave the task without one."""
        if best is not None and best == self._best(task):
            return
        name = self._name(task)
        self._run("UPDATE bests SET stop = ? WHERE task = ? AND stop IS NULL", (number, name))
        if best is not None:
            self._run("INSERT INTO bests VALUES (?, ?, ?, NULL)", (name, best, number))

    def _best(self, task: TaskName) -> int | None:
        return self._first("SELECT model FROM bests WHERE task = ? AND stop IS NULL", self._name(task))

    def _model_id(self, model: ModelId) -> int | None:
        key = bytes.fromhex(model)
        return self._first("SELECT id FROM models WHERE substr(hash, 1, 8) = ? AND hash = ?", key[:8], key)

    def _blob(self, blob: BlobId, number: int) -> int:
        if blob not in self._blobs:
            key = bytes.fromhex(blob)
            sql = "SELECT id FROM blobs WHERE substr(hash, 1, 8) = ? AND hash = ?"
            known = self._first(sql, key[:8], key)
            if known is None:
                known, self._next_blob = self._next_blob, self._next_blob + 1
                self._new_blobs.append((known, key, number))
            self._blobs[blob] = known
        return self._blobs[blob]

    def _name(self, name: str) -> int:
        if name not in self._names:
            self._run("INSERT OR IGNORE INTO names (name) VALUES (?)", (name,))
            self._names[name] = self._first("SELECT id FROM names WHERE name = ?", name) or 0
        return self._names[name]

    def _first(self, sql: str, *values: object) -> int | None:
        row = self._run(sql, values).fetchone()
        return None if row is None or row[0] is None else int(row[0])
