"""What being bound and grown was worth to each task, and what later tasks did to it (004, §3 and §4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import AddEvaluation, Commit, EndIteration, FinishChild, Publish, Retire
from taskgrove.reports.analyses.bindings import INDEPENDENT, METHOD
from taskgrove.reports.analyses.transfer import multi_task_gain

_TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Another task's training changed the task's model: backward transfer.

    Attributes:
        by, iteration: Whose training.
        before, after: Validation accuracies, in [0, 1].
    """

    by: TaskName
    iteration: int
    before: float
    after: float

    @property
    def difference(self) -> float:
        """Positive when it has helped."""
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """A task's accuracies over time, in [0, 1]; None where they are not known.

    Attributes:
        task: Which.
        independent: Validation, of the newest net that was trained for the task alone.
        first, now: Validation, of its first model and its present one.
        first_test, now_test: Likewise on the test split.
        gain: (E_φ - E_π) / E_φ, with the validation errors of the independent net and of the present
            model; positive when the system is better.
        forgotten: `first_test` less `now_test`; negative when it has become better.
        changes: By other tasks' training, in the order of the log.
    """

    task: TaskName
    independent: float | None
    first: float | None
    now: float | None
    first_test: float | None
    now_test: float | None
    gain: float | None
    forgotten: float | None
    changes: tuple[Change, ...]


def worths(history: Iterable[Commit]) -> tuple[Worth, ...]:
    """Of every task that bind-and-grow has trained for, or changed; retired ones left out.

    Args:
        history: From the start of the log.
    """
    seen = _Seen()
    for commit in history:
        seen.see(commit)
    return tuple(seen.worth(task) for task in seen.tasks)


class _Seen:
    """What the log has said so far."""

    def __init__(self) -> None:
        self.tasks: dict[TaskName, None] = {}
        self._qualities: dict[ModelId, float] = {}
        self._tests: dict[ModelId, float] = {}
        self._independent: dict[TaskName, float] = {}
        self._first: dict[TaskName, ModelId] = {}
        self._now: dict[TaskName, ModelId] = {}
        self._changes: defaultdict[TaskName, list[Change]] = defaultdict(list)

    def see(self, commit: Commit) -> None:
        match commit.operation:
            case FinishChild() as child:
                self._finished(child)
            case Publish() as publish:
                self._published(publish)
            case EndIteration(task=task, best=best, agent=agent):
                if best is not None:
                    self._become(task, best)
                if agent == METHOD:
                    self.tasks.setdefault(task)
            case AddEvaluation(evaluation=evaluation) if evaluation.split == _TEST:
                self._tests[evaluation.model] = evaluation.accuracy
            case Retire(task=task):
                self.tasks.pop(task, None)

    def worth(self, task: TaskName) -> Worth:
        first, now = self._first.get(task), self._now.get(task)
        alone, quality = self._independent.get(task), _known(self._qualities, now)
        first_test, now_test = _known(self._tests, first), _known(self._tests, now)
        errors = {} if quality is None else {task: 1.0 - quality}
        return Worth(
            task=task,
            independent=alone,
            first=_known(self._qualities, first),
            now=quality,
            first_test=first_test,
            now_test=now_test,
            gain=multi_task_gain(errors, {} if alone is None else {task: 1.0 - alone}),
            forgotten=None if first_test is None or now_test is None else first_test - now_test,
            changes=tuple(self._changes[task]),
        )

    def _finished(self, child: FinishChild) -> None:
        if child.model is not None:
            self._qualities[child.model.id] = child.model.quality
        if child.agent == METHOD and child.generation == INDEPENDENT and child.result is not None:
            self._independent[child.task] = child.result.quality

    def _published(self, publish: Publish) -> None:
        for model in publish.models:
            task = model.task
            assert task is not None
            before = self._now.get(task)
            if task != publish.task and before is not None and publish.agent == METHOD:
                self.tasks.setdefault(task)
                change = Change(
                    by=publish.task,
                    iteration=publish.iteration,
                    before=self._qualities[before],
                    after=model.quality,
                )
                self._changes[task].append(change)
            self._qualities[model.id] = model.quality
            self._become(task, model.id)

    def _become(self, task: TaskName, model: ModelId) -> None:
        self._now[task] = model
        self._first.setdefault(task, model)


def _known(values: dict[ModelId, float], model: ModelId | None) -> float | None:
    return None if model is None else values.get(model)
