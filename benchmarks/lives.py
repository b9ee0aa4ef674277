"""Scripted lives of a system of realistic shape, without training: what the store's benchmarks write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import AgentName, ComponentId, SlotName, TaskName
from taskgrove.domain.jobs import Trained, TrainResult
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddRoot,
    AddTask,
    BeginIteration,
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
from taskgrove.store.keys import blob_id
from taskgrove.store.store import Store

AGENT, EXPERIMENT = AgentName("mu2net_plus"), "bench"
NUM_SLOTS = 14
CHILDREN = 8
"""Of a task iteration."""
RECORDS = CHILDREN + 4
"""Of a task iteration: it begins, children finish, it ends, its model is tested, the system measured."""
METRICS = (
    "mean_test_accuracy",
    "mean_validation_accuracy",
    "params_per_task",
    "mean_flops",
    "tasks",
    "samples",
)
METERS = {"train_s": 20.5, "device_s": 35.25, "wait_s": 0.125}
HPARAMS: dict[str, HparamValue] = {
    "opt.lr": 0.05,
    "opt.schedule": "cosine",
    "opt.momentum": 0.9,
    "opt.nesterov": False,
    "opt.warmup": 0.05,
    "data.resolution": 32,
    "data.flip": False,
    "data.crop": 0.75,
    "data.brightness": 0.1,
    "data.label_smoothing": 0.1,
}
_PARAMS = 444_864
_SAMPLES = 51_200


@dataclass(frozen=True, slots=True)
class Pool:
    """Components that children draw from instead of training; tiny, since the log never looks into them.

    Args:
        size: How many.
    """

    size: int = 64

    def blobs(self) -> Iterator[bytes]:
        """What must be put before the first commit."""
        for number in range(self.size):
            yield from (_weights(number), _momentum(number))

    def component(self, number: int, slot: str, cycles: dict[TaskName, int]) -> Component:
        """One of them, in a slot."""
        return Component(
            slot=SlotName(slot),
            kind=slot.partition("_")[0],
            id=ComponentId(blob_id(_weights(number))),
            num_params=_PARAMS,
            momentum=blob_id(_momentum(number)),
            cycles=cycles,
            last_task=next(reversed(cycles), None),
        )


def found(store: Store, tasks: Sequence[TaskName], pool: Pool) -> Model:
    """Put the pool's blobs; commit a root of some of them, and what `start` commits; returns the root."""
    for data in pool.blobs():
        store.put_blob(data)
    parts = tuple(pool.component(number, f"block_{number}", {}) for number in range(NUM_SLOTS))
    root = identified(Model(member="vit-ti", num_classes=10, components=parts, hparams=HPARAMS))
    store.commit(AddRoot(model=root))
    start(store, tasks)
    return root


def start(store: Store, tasks: Sequence[TaskName]) -> None:
    """Commit tasks and the start of an experiment."""
    for task in tasks:
        store.commit(AddTask(task=_spec(task)))
    store.commit(
        StartExperiment(experiment=EXPERIMENT, digest="d", spec="{}", iterations=1000, tasks=tuple(tasks))
    )


@dataclass(slots=True)
class Grower:
    """Task iterations without end over some tasks, as one writer commits them.

    Attributes:
        root: Parent of the first children.
        tasks: Visited in turn.
        pool: Where trained components come from.
        seed: Of all that is drawn.
        accepted: How many of the `CHILDREN` of an iteration become models.
    """

    root: Model
    tasks: Sequence[TaskName]
    pool: Pool
    seed: int = 0
    accepted: int = CHILDREN // 2
    _bests: dict[TaskName, Model] = field(default_factory=dict)

    def operations(self) -> Iterator[Operation]:
        """What is committed, in order."""
        random, iteration = Random(self.seed), 0
        while True:
            for task in self.tasks:
                yield from self._iteration(random, task, iteration)
            iteration += 1

    def _iteration(self, random: Random, task: TaskName, iteration: int) -> Iterator[Operation]:
        parent = best = self._bests.get(task, self.root)
        yield BeginIteration(experiment=EXPERIMENT, agent=AGENT, task=task, iteration=iteration)
        for child in range(CHILDREN):
            made = self._child(random, parent, task, iteration, child)
            yield made
            if made.model is not None:
                parent = best = made.model
        self._bests[task] = best
        yield EndIteration(
            experiment=EXPERIMENT, agent=AGENT, task=task, iteration=iteration, best=best.id, score=0.5
        )
        yield AddEvaluation(evaluation=_tested(random, best, task))
        values = {name: random.random() for name in METRICS}
        yield AddMetrics(experiment=EXPERIMENT, task=task, iteration=iteration, values=values)

    def _child(
        self, random: Random, parent: Model, task: TaskName, iteration: int, child: int
    ) -> FinishChild:
        slots = random.sample(range(NUM_SLOTS), 3)
        parts = list(parent.components)
        for slot in slots:
            number = NUM_SLOTS + random.randrange(self.pool.size - NUM_SLOTS)
            parts[slot] = self.pool.component(number, f"block_{slot}", {**parts[slot].cycles, task: 4})
        keep = child < self.accepted
        return finished(random, parent, parts, task, iteration, child, keep=keep)


def finished(
    random: Random,
    parent: Model,
    parts: Sequence[Component],
    task: TaskName,
    iteration: int,
    child: int,
    *,
    keep: bool,
) -> FinishChild:
    """The end of a child's training.

    Args:
        random: For numbers that only fill the record.
        parent: Of the child.
        parts: Its components; those that its parent has not were trained.
        task, iteration, child: Its position.
        keep: Whether it is accepted.
    """
    known = {component.id for component in parent.components}
    trained = [part for part in parts if part.id not in known]
    mutations = {f"clone:{part.slot}": 0.2 for part in trained}
    model = identified(
        replace(
            parent,
            task=task,
            parent=parent.id,
            components=tuple(parts),
            hparams={**HPARAMS, "opt.lr": random.random()},
            mu={**parent.mu, **{move: random.random() for move in mutations}},
            agent=AGENT,
            iteration=iteration,
            child=child,
            seed=random.getrandbits(31),
            mutations=mutations,
            quality=random.random(),
            flops=57_600_000,
            samples=_SAMPLES,
            train_flops=8_000_000_000_000,
            code_version="1.0.0",
        )
    )
    return FinishChild(
        experiment=EXPERIMENT,
        agent=AGENT,
        task=task,
        iteration=iteration,
        generation=child // 4,
        child=child,
        seed=model.seed,
        parent=parent.id,
        mutations=mutations,
        score=model.quality,
        model=model if keep else None,
        result=_result(random, model, trained if keep else []),
    )


def _tested(random: Random, model: Model, task: TaskName) -> Evaluation:
    return Evaluation(model=model.id, task=task, split="test", accuracy=random.random(), num_samples=10_000)


def _result(random: Random, model: Model, trained: Sequence[Component]) -> TrainResult:
    return TrainResult(
        quality=model.quality,
        best_cycle=4,
        trained={
            part.slot: Trained(component=part.id, momentum=part.momentum, num_params=part.num_params)
            for part in trained
        },
        losses=tuple(random.random() for _ in range(4)),
        accuracies=tuple(random.random() for _ in range(4)),
        samples=_SAMPLES,
        val_samples=5_120,
        flops=model.train_flops,
    )


def _spec(task: TaskName) -> TaskSpec:
    return TaskSpec(
        name=task,
        source="scripted:1",
        splits={"train": "train[5%:]", "val": "train[:5%]", "test": "test"},
        class_names=tuple(f"class {number}" for number in range(10)),
        sizes={"train": 57_000, "val": 3_000, "test": 10_000},
        image_shape=(28, 28, 1),
        fingerprint="f" * 64,
    )


def _weights(number: int) -> bytes:
    return f"weights {number}".encode()


def _momentum(number: int) -> bytes:
    return f"momentum {number}".encode()
