"""How each published model was trained, from the root on (muNet, Figure 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.jobs import TrainResult
from taskgrove.domain.records import Commit, FinishChild, Model, Publish
from taskgrove.reports.analyses.run import Run

_TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Validation accuracies along the ancestry of a task's model.

    Attributes:
        variant, seed: Of its run.
        task: Whose model it is.
        pieces: Of each ancestor that was trained for the same task, from the root on, and of the model: the
            accuracies after its training cycles until its best one, in [0, 1].
        val: Validation accuracy of the model.
        test: Its test accuracy; None when not measured.
    """

    variant: str
    seed: int | None
    task: TaskName
    pieces: tuple[tuple[float, ...], ...]
    val: float
    test: float | None

    @property
    def accuracies(self) -> tuple[float, ...]:
        """All pieces in a row: one accuracy per training cycle."""
        return tuple(accuracy for piece in self.pieces for accuracy in piece)


def curves(runs: Sequence[Run]) -> list[Curve]:
    """Of every task that has a model, run by run.

    Ancestors that were trained for other tasks have no piece, nor have models whose training the log does
    not tell: roots, and those of other tasks that were published because they share what was trained.
    """
    return [curve for run in runs for curve in _of_run(run)]


def _of_run(run: Run) -> Iterator[Curve]:
    models, results = _published(run.history)
    for task in run.view.tasks:
        model = run.view.best(task)
        if model is not None:
            own = [one.id for one in _ancestry(model, models) if one.task == task]
            known = [results[one] for one in reversed(own) if one in results]
            test = run.evaluations.get(model.id, {}).get(_TEST)
            yield Curve(
                variant=run.variant,
                seed=run.seed,
                task=task,
                pieces=tuple(result.accuracies[: result.best_cycle] for result in known),
                val=model.quality,
                test=test.accuracy if test else None,
            )


def _published(history: Sequence[Commit]) -> tuple[dict[ModelId, Model], dict[ModelId, TrainResult]]:
    """All models, since retired ancestors are no longer in the view, and what training gave."""
    models: dict[ModelId, Model] = {}
    results: dict[ModelId, TrainResult] = {}
    for commit in history:
        match commit.operation:
            case FinishChild(model=model, result=result) if model is not None and result is not None:
                models[model.id], results[model.id] = model, result
            case Publish(models=others):
                models.update((model.id, model) for model in others)
    return models, results


def _ancestry(model: Model, models: Mapping[ModelId, Model]) -> Iterator[Model]:
    """The model and its ancestors, nearest first."""
    found: Model | None = model
    while found is not None:
        yield found
        found = models.get(found.parent) if found.parent is not None else None
