"""How tasks that come one after the other help and harm each other, as continual learning measures it.

Everything is computed from one matrix: the accuracy of every task after every task iteration.
Definitions agree with Avalanche's metrics (Lomonaco et al., 2021), where tasks are called experiences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import mean

from taskgrove.domain.ids import ModelId, TaskName
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    Commit,
    EndIteration,
    Publish,
    Retire,
)

Row = Mapping[TaskName, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyMatrix:
    """Accuracies over time.

    Attributes:
        learned: The task of each task iteration, in order.
        rows: After each of them, the accuracy of every task that has a model.
    """

    learned: tuple[TaskName, ...]
    rows: tuple[Row, ...]

    @property
    def last(self) -> Row:
        """Accuracies in the end; empty when nothing has been learned."""
        return self.rows[-1] if self.rows else {}

    def learned_at(self, task: TaskName) -> float | None:
        """A task's accuracy when it was last learned itself."""
        steps = [number for number, name in enumerate(self.learned) if name == task]
        return self.rows[steps[-1]].get(task) if steps else None


def accuracy_matrix(history: Iterable[Commit], split: str = "test") -> AccuracyMatrix:
    """The matrix of a system, from its commits in order; one row per measured task iteration.

    Args:
        history: From the beginning, or from where it is of interest.
        split: On which accuracies were measured.
    """
    bests: dict[TaskName, ModelId] = {}
    accuracies: dict[ModelId, float] = {}
    learned: list[TaskName] = []
    rows: list[Row] = []
    for commit in history:
        match commit.operation:
            case EndIteration(task=task, best=best) if best is not None:
                bests[task] = best
            case Publish(models=models):
                bests.update({model.task: model.id for model in models if model.task is not None})
            case Retire(task=task):
                bests.pop(task, None)
            case AddEvaluation(evaluation=found) if found.split == split:
                accuracies[found.model] = found.accuracy
            case AddMetrics(task=task):
                learned.append(task)
                rows.append({name: accuracies[best] for name, best in bests.items() if best in accuracies})
    return AccuracyMatrix(learned=tuple(learned), rows=tuple(rows))


def average_accuracy(matrix: AccuracyMatrix) -> float | None:
    """Mean accuracy of all tasks in the end; None without any."""
    return mean(matrix.last.values()) if matrix.last else None


def forgetting(matrix: AccuracyMatrix) -> dict[TaskName, float]:
    """How much each task's accuracy has fallen since it was learned; positive is worse.

    The task that was learned last is left out: nothing has come after it.
    """
    fallen = {}
    for task, accuracy in matrix.last.items():
        before = matrix.learned_at(task)
        if before is not None and task != matrix.learned[-1]:
            fallen[task] = before - accuracy
    return fallen


def backward_transfer(matrix: AccuracyMatrix) -> dict[TaskName, float]:
    """How much each task has gained from those learned after it: forgetting with the other sign."""
    return {task: -fallen for task, fallen in forgetting(matrix).items()}


def forward_transfer(matrix: AccuracyMatrix, untrained: Mapping[TaskName, float]) -> dict[TaskName, float]:
    """How much better than an untrained net each task does before it is learned.

    Needs accuracies of tasks that have not been learned, which systems do not measure: a new task has no
    head. It serves matrices that come from elsewhere; see `gain_when_learned` for what systems tell.

    Args:
        matrix: With such accuracies.
        untrained: Accuracy by task of the net before any training.
    """
    found = {}
    for number, task in enumerate(matrix.learned[1:]):
        before = matrix.rows[number].get(task)
        if before is not None and task in untrained and task not in matrix.learned[: number + 1]:
            found[task] = before - untrained[task]
    return found


def gain_when_learned(matrix: AccuracyMatrix, alone: Mapping[TaskName, float]) -> dict[TaskName, float]:
    """How much better each task was learned than alone, when it was: intransigence with the other sign.

    Args:
        matrix: Of the system.
        alone: Accuracy by task of a net that was trained for it alone.
    """
    found = {}
    for task, reference in alone.items():
        learned = matrix.learned_at(task)
        if learned is not None:
            found[task] = learned - reference
    return found


def intransigence(matrix: AccuracyMatrix, alone: Mapping[TaskName, float]) -> dict[TaskName, float]:
    """How much worse each task was learned than alone (Chaudhry et al., 2018); arguments as above."""
    return {task: -gain for task, gain in gain_when_learned(matrix, alone).items()}


def multi_task_gain(errors: Mapping[TaskName, float], alone: Mapping[TaskName, float]) -> float | None:
    """Mean over tasks of (E_alone - E) / E_alone: positive is better than single-task nets (004, §3).

    The paper sums (E - E_alone) / E_alone, and calls more better though E is an error; see `paper_delta`.

    Args:
        errors: By task, in the end.
        alone: Of the independent nets; those of tasks without an error there are left out.
    """
    terms = [(alone[t] - error) / alone[t] for t, error in errors.items() if alone.get(t)]
    return mean(terms) if terms else None


def paper_delta(errors: Mapping[TaskName, float], alone: Mapping[TaskName, float]) -> float | None:
    """Δ as 004, §3 prints it: the sum over tasks of (E - E_alone) / E_alone; less is better."""
    terms = [(error - alone[t]) / alone[t] for t, error in errors.items() if alone.get(t)]
    return sum(terms) if terms else None
