"""Small runs made by hand, for analyses whose results can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import AgentName, CommitId, ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import TrainResult
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddRoot,
    Commit,
    Component,
    EndIteration,
    Evaluation,
    FinishChild,
    Model,
    Operation,
    StartExperiment,
    TaskSpec,
    identified,
)
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.run import Run

MU2NET_PLUS = "mu2net_plus"
BLOCKS = ("embedding", "block_0", "block_1", "head")


def model(
    task: str | None,
    parent: Model | None = None,
    *,
    slots: Sequence[str] = BLOCKS,
    mu: Mapping[str, float] | None = None,
    hparams: Mapping[str, HparamValue] | None = None,
    agent: str = MU2NET_PLUS,
    quality: float = 0.5,
) -> Model:
    """A model with an id; a root without a task."""
    parts = (
        Component(
            slot=SlotName(slot), kind=slot.split("_")[0], id=ComponentId(f"{task}/{slot}"), num_params=10
        )
        for slot in slots
    )
    return identified(
        Model(
            member="vit-ti3",
            num_classes=2,
            components=tuple(parts),
            hparams=hparams or {"mu": 0.2},
            task=None if task is None else TaskName(task),
            mu=mu or {},
            parent=None if parent is None else parent.id,
            agent=None if task is None else AgentName(agent),
            quality=quality,
        )
    )


def finished(
    child: Model,
    mutations: Mapping[str, float] | None = None,
    accuracies: Sequence[float] = (0.5,),
    best_cycle: int = 1,
) -> FinishChild:
    """The operation that publishes a child."""
    assert child.task is not None
    assert child.agent is not None
    assert child.parent is not None
    result = TrainResult(
        quality=child.quality,
        best_cycle=best_cycle,
        trained={},
        losses=(),
        accuracies=tuple(accuracies),
        samples=1,
        val_samples=1,
    )
    return FinishChild(
        experiment="x",
        agent=child.agent,
        task=child.task,
        iteration=0,
        generation=1,
        child=0,
        seed=0,
        parent=child.parent,
        mutations=mutations or {},
        score=child.quality,
        model=child,
        result=result,
    )


def run_of(
    root: Model,
    children: Iterable[FinishChild],
    bests: Sequence[Model],
    *,
    variant: str = "",
    seed: int | None = None,
    tests: Mapping[ModelId, float] | None = None,
    valid: Mapping[str, Sequence[HparamValue]] | None = None,
) -> Run:
    """A run whose tasks have these models; others have retired."""
    tasks = {best.task: best for best in bests if best.task is not None}
    return Run(
        view=SystemView(
            tasks={name: _task(name) for name in tasks},
            models={one.id: one for one in (root, *bests)},
            roots=(root.id,),
            bests={name: best.id for name, best in tasks.items()},
        ),
        history=history(AddRoot(model=root), *children),
        evaluations={
            one: {"test": _evaluation(one, accuracy, TaskName("t"))}
            for one, accuracy in (tests or {}).items()
        },
        variant=variant,
        seed=seed,
        valid=valid or {},
    )


def history(*operations: Operation) -> tuple[Commit, ...]:
    """Commits in a row, one second apart."""
    return tuple(
        Commit(number=i, previous="", id=CommitId(str(i)), time=float(i), operation=operation)
        for i, operation in enumerate(operations)
    )


def started(experiment: str, *tasks: str) -> StartExperiment:
    """An experiment on these tasks begins."""
    names = tuple(map(TaskName, tasks))
    return StartExperiment(experiment=experiment, digest="", spec="{}", iterations=1, tasks=names)


def measured(experiment: str, task: str, accuracy: float, mean: float) -> tuple[Operation, ...]:
    """An iteration ends with a model of this test accuracy; `mean` is that of the system."""
    best = ModelId(f"{experiment}/{task}")
    name = TaskName(task)
    return (
        EndIteration(
            experiment=experiment, agent=AgentName("a"), task=name, iteration=0, best=best, score=1.0
        ),
        AddEvaluation(evaluation=_evaluation(best, accuracy, name)),
        AddMetrics(experiment=experiment, task=name, iteration=0, values={"mean_test_accuracy": mean}),
    )


def _evaluation(of: ModelId, accuracy: float, task: TaskName) -> Evaluation:
    return Evaluation(model=of, task=task, split="test", accuracy=accuracy, num_samples=10)


def _task(name: TaskName) -> TaskSpec:
    return TaskSpec(
        name=name,
        source="synthetic:0",
        splits={},
        class_names=("0", "1"),
        sizes={},
        image_shape=(8, 8, 1),
        fingerprint="",
    )
