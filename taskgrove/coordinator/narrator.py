"""Turns what the coordinator does into events with running totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from taskgrove.coordinator.base import Event, Observe, Stage
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import Completed, TrainResult
from taskgrove.domain.records import Evaluation, Model


@dataclass(slots=True)
class Narrator:
    """Counts children and remembers each task's best accuracy and score, for observers only."""

    observe: Observe
    total: int = 0
    done: int = 0
    best: dict[TaskName, float] = field(default_factory=dict)
    score: dict[TaskName, float] = field(default_factory=dict)

    def incumbents(self, published: Mapping[TaskName, Model]) -> None:
        """Start from the models that tasks already have."""
        self.best.update({task: model.quality for task, model in published.items()})

    def begun(self, task: TaskName, iteration: int, recovered: int) -> None:
        """A task iteration was begun, or taken up with `recovered` children from the log."""
        text = f"taken up with {recovered} recorded children" if recovered else ""
        event = self._event(Stage.BEGUN, task, iteration)
        self.observe(replace(event, recovered=recovered > 0, text=text))

    def child(self, completed: Completed, *, score: float | None, accepted: bool, recovered: bool) -> None:
        """A child was trained, or read from the log; `score` is None when its training failed."""
        job, outcome = completed.job, completed.outcome
        quality = outcome.quality if isinstance(outcome, TrainResult) else None
        if accepted and quality is not None and score is not None:
            self.best[job.task] = max(self.best.get(job.task, 0.0), quality)
            self.score[job.task] = max(self.score.get(job.task, 0.0), score)
        self.done += 1
        event = replace(
            self._event(Stage.CHILD, job.task, job.iteration),
            generation=job.generation,
            child=job.child,
            quality=quality,
            accepted=accepted,
            recovered=recovered,
            text="" if isinstance(outcome, TrainResult) else outcome.text,
        )
        self.observe(event)

    def ended(self, task: TaskName, iteration: int, model: Model | None, *, untrained: int) -> None:
        """The task's model was published; `untrained` children that were announced were not needed."""
        self.total -= untrained
        if model is not None:
            self.best[task] = model.quality
        self.observe(self._event(Stage.ENDED, task, iteration))

    def evaluated(self, evaluation: Evaluation, iteration: int) -> None:
        """A published model was tested."""
        event = self._event(Stage.EVALUATED, evaluation.task, iteration)
        self.observe(replace(event, accuracy=evaluation.accuracy))

    def _event(self, stage: Stage, task: TaskName, iteration: int) -> Event:
        """What every event says."""
        return Event(
            stage=stage,
            task=task,
            iteration=iteration,
            done=self.done,
            total=self.total,
            best=self.best.get(task),
            score=self.score.get(task),
        )
