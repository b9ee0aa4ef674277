"""The scripted life of a small system: blobs and operations that a store can be put through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from taskgrove.domain.ids import AgentName, BlobId, CommitId, ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import JobFailed, TrainResult
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddRoot,
    AddTask,
    BeginIteration,
    BeginRound,
    Claim,
    Component,
    Condemn,
    EndIteration,
    Evaluation,
    FinishChild,
    FinishProbe,
    Model,
    Note,
    Operation,
    Publish,
    Retire,
    StartExperiment,
    Tag,
    TaskSpec,
    identified,
)
from taskgrove.store.keys import blob_id
from taskgrove.store.store import Store

AGENT = AgentName("scripted")
EXPERIMENT = "scripted"
ALIKE: Mapping[str, float] = MappingProxyType({"body": 0.25})
"""Conflicts of two models."""


@dataclass(frozen=True, slots=True)
class Step:
    """One commit, after the blobs it needs."""

    operation: Operation
    blobs: tuple[bytes, ...] = ()


def play(store: Store, steps: Sequence[Step]) -> None:
    """Put the store through the steps; those that it went through before are recognised by their ids."""
    for number, step in enumerate(steps):
        for data in step.blobs:
            store.put_blob(data)
        store.commit(step.operation, id=CommitId(f"step-{number}"))


def component(slot: str, data: bytes, momentum: bytes | None = None) -> Component:
    """A component with these bytes."""
    return Component(
        slot=SlotName(slot),
        kind=slot,
        id=ComponentId(blob_id(data)),
        num_params=len(data),
        momentum=None if momentum is None else blob_id(momentum),
    )


def add_task(name: str, data: bytes | None = None) -> Step:
    """A task arrives, with its data as a blob when given."""
    task = TaskSpec(
        name=TaskName(name),
        source="scripted:1",
        splits={"train": "all[:80%]", "val": "all[80%:]"},
        class_names=("no", "yes"),
        sizes={"train": 8, "val": 2},
        image_shape=(4, 4, 1),
        fingerprint="f" * 64,
        data=None if data is None else blob_id(data),
    )
    return Step(AddTask(task=task), () if data is None else (data,))


def add_root(label: str = "root") -> tuple[Step, Model]:
    """A root model of two components, `body` and `head`."""
    blobs = (f"body of {label}".encode(), f"head of {label}".encode())
    parts = (component("body", blobs[0]), component("head", blobs[1]))
    model = identified(Model(member="scripted", num_classes=2, components=parts, hparams={"opt.lr": 0.1}))
    return Step(AddRoot(model=model), blobs), model


def start(tasks: Sequence[str], iterations: int = 1, digest: str = "d") -> Step:
    """The experiment starts or goes on."""
    names = tuple(TaskName(task) for task in tasks)
    return Step(
        StartExperiment(experiment=EXPERIMENT, digest=digest, spec="{}", iterations=iterations, tasks=names)
    )


def begin(task: str, iteration: int = 0, agent: AgentName = AGENT) -> Step:
    """An iteration begins."""
    return Step(BeginIteration(experiment=EXPERIMENT, agent=agent, task=TaskName(task), iteration=iteration))


def begin_round(tasks: Sequence[str], iteration: int = 0) -> Step:
    """Iterations of several tasks begin at once."""
    names = [TaskName(task) for task in tasks]
    return Step(
        BeginRound(
            experiment=EXPERIMENT,
            agents=dict.fromkeys(names, AGENT),
            iterations=dict.fromkeys(names, iteration),
        )
    )


def accept(parent: Model, task: str, iteration: int = 0, child: int = 0) -> tuple[Step, Model]:
    """A child with a head of its own is published."""
    blobs = (f"head {task} {iteration} {child}".encode(), f"momentum {task} {iteration} {child}".encode())
    model = identified(
        replace(
            parent,
            task=TaskName(task),
            parent=parent.id,
            components=(*parent.components[:-1], component("head", *blobs)),
            agent=AGENT,
            iteration=iteration,
            child=child,
            quality=0.5 + 0.01 * child,
        )
    )
    return Step(replace(_finished(parent.id, task, iteration, child), model=model), blobs), model


def reject(parent: Model, task: str, iteration: int = 0, child: int = 0, failed: bool = False) -> Step:
    """A child that is not good enough, or whose training failed."""
    finished = _finished(parent.id, task, iteration, child)
    if not failed:
        return Step(finished)
    failure = JobFailed(kind="diverged", text="The loss is NaN.", seed=7)
    return Step(replace(finished, score=None, result=None, failure=failure))


def end(task: str, best: ModelId | None, iteration: int = 0) -> Step:
    """An iteration ends."""
    score = None if best is None else 0.5
    return Step(
        EndIteration(
            experiment=EXPERIMENT,
            agent=AGENT,
            task=TaskName(task),
            iteration=iteration,
            best=best,
            score=score,
        )
    )


def evaluate(model: Model, split: str = "test") -> Step:
    """A published model is measured."""
    task = model.task or TaskName("")
    return Step(
        AddEvaluation(
            evaluation=Evaluation(model=model.id, task=task, split=split, accuracy=0.75, num_samples=2)
        )
    )


def measure(task: str, iteration: int = 0) -> Step:
    """The system is measured after an iteration."""
    values = {"mean_test_accuracy": 0.75, "tasks": 1.0}
    return Step(AddMetrics(experiment=EXPERIMENT, task=TaskName(task), iteration=iteration, values=values))


def publish(
    models: Sequence[Model], replaces: Mapping[str, ModelId | None], task: str, iteration: int = 0
) -> Step:
    """Models of several tasks, whose blobs are there, are published at once."""
    names = {TaskName(name): model for name, model in replaces.items()}
    return Step(
        Publish(
            experiment=EXPERIMENT,
            agent=AGENT,
            task=TaskName(task),
            iteration=iteration,
            models=tuple(models),
            replaces=names,
        )
    )


def probe(own: Model, other: Model, conflicts: Mapping[str, float] = ALIKE, iteration: int = 0) -> Step:
    """Two models are compared."""
    assert own.task is not None
    assert other.task is not None
    return Step(
        FinishProbe(
            experiment=EXPERIMENT,
            agent=AGENT,
            task=own.task,
            iteration=iteration,
            models=(own.id, other.id),
            other=other.task,
            measure="rsa",
            split="val",
            num_samples=9,
            conflicts={SlotName(slot): value for slot, value in conflicts.items()},
        )
    )


def claim(task: str, holder: str = "here") -> Step:
    """A task is claimed."""
    return Step(Claim(task=TaskName(task), agent=AGENT, holder=holder))


def tag(name: str, number: int) -> Step:
    """A commit gets a name."""
    return Step(Tag(name=name, number=number))


def note(text: str, task: str | None = None) -> Step:
    """Somebody remarks something."""
    return Step(Note(text=text, task=None if task is None else TaskName(task)))


def retire(task: str) -> Step:
    """A task leaves."""
    return Step(Retire(task=TaskName(task)))


def condemn(blobs: Sequence[tuple[BlobId, int]], seen: int) -> Step:
    """Garbage is condemned; whether it is garbage, the caller knows."""
    return Step(Condemn(blobs=tuple(blobs), seen=seen, reason="scripted"))


def life(tasks: Sequence[str] = ("a", "b"), iterations: int = 2) -> tuple[Step, ...]:
    """A whole life: per iteration two children are accepted, one is rejected and one fails; then tests."""
    first, root = add_root()
    steps = [first, *(add_task(task, f"data of {task}".encode()) for task in tasks), start(tasks, iterations)]
    bests = dict.fromkeys(tasks, root)
    for iteration in range(iterations):
        for task in tasks:
            parent = bests[task]
            one, child = accept(parent, task, iteration, 0)
            two, bests[task] = accept(child, task, iteration, 1)
            steps += [begin(task, iteration), one, reject(parent, task, iteration, 2), two]
            steps += [reject(child, task, iteration, 3, failed=True), end(task, bests[task].id, iteration)]
            steps += [evaluate(bests[task]), measure(task, iteration)]
    return tuple(steps)


def _finished(parent: ModelId, task: str, iteration: int, child: int) -> FinishChild:
    return FinishChild(
        experiment=EXPERIMENT,
        agent=AGENT,
        task=TaskName(task),
        iteration=iteration,
        generation=0,
        child=child,
        seed=child,
        parent=parent,
        mutations={"clone:body": 0.2},
        score=0.5,
        result=TrainResult(
            quality=0.5,
            best_cycle=1,
            trained={},
            losses=(1.0,),
            accuracies=(0.5,),
            samples=8,
            val_samples=2,
            flops=80,
        ),
    )
