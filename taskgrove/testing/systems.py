"""Synthetic systems with their histories: what reports, dashboards and tests read, without training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random

from taskgrove.coordinator.metrics import TEST, metrics
from taskgrove.domain.ids import AgentName, BlobId, CommitId, ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import JobFailed, TrainResult
from taskgrove.domain.records import (
    AddEvaluation,
    AddMetrics,
    AddRoot,
    AddTask,
    BeginIteration,
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
from taskgrove.store.state import State, apply

Evaluations = Mapping[ModelId, Mapping[str, Evaluation]]

_SIZES = {"embedding": 147_648, "cls": 192, "pos": 960, "block": 444_864, "adapter": 12_896, "norm": 384}
_FLOPS = {"embedding": 300_000, "block": 4_800_000, "adapter": 140_000}
_ROOT_SLOTS = ("embedding", "cls", "pos", "block_0", "block_1", "block_2", "norm", "head")
_AGENT, _START = AgentName("mu2net_plus"), 1_700_000_000.0
_SAMPLES = 3_200
_METERS = {"train_s": 20.0, "device_s": 35.0}


def synthetic_system(
    num_tasks: int, seed: int = 0, *, iterations: int = 2, children: int = 4, experiments: int = 1
) -> tuple[SystemView, tuple[Commit, ...], Evaluations]:
    """A system as µ2Net+ leaves it, and how it came to be; equal arguments give equal systems.

    Tasks branch off the root or off an earlier task's model by clones, adapters and removed blocks;
    some children are rejected and some fail. Ids are consistent, hashes of stored bytes are not:
    there are no bytes.

    Args:
        num_tasks: Tasks `task_000`, `task_001`, … in order of arrival.
        seed: Of everything that is drawn.
        iterations: Task iterations per task and experiment.
        children: Children per task iteration.
        experiments: One after the other: `synthetic`, `synthetic-2`, …
    """
    grower = _Grower(seed)
    tasks = [grower.add_task(index) for index in range(num_tasks)]
    for index in range(experiments):
        grower.start(f"synthetic-{index + 1}" if index else "synthetic", tasks, iterations)
        for _ in range(iterations):
            for task in tasks:
                grower.iterate(task, children)
    return grower.view, tuple(grower.history), grower.state.evaluations


class _Grower:
    """The system under construction."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.history: list[Commit] = []
        self.state = State()
        self.experiment = ""
        self.root = identified(
            Model(
                member="vit-ti3",
                num_classes=10,
                components=tuple(_root_component(SlotName(name)) for name in _ROOT_SLOTS),
                hparams={"opt.lr": 0.01, "data.flip": False, "mu": 0.2},
                flops=_flops(_ROOT_SLOTS),
            )
        )
        self.commit(AddRoot(model=self.root))

    @property
    def view(self) -> SystemView:
        return self.state.view

    def commit(self, operation: Operation) -> None:
        number = len(self.history)
        commit = Commit(
            number=number,
            previous=_digest("commit", str(number - 1)) if number else "",
            id=CommitId(f"synthetic-{number}"),
            time=_START + 30.0 * number,
            operation=operation,
            meters=_METERS if isinstance(operation, FinishChild) else {},
        )
        self.history.append(commit)
        self.state = apply(self.state, commit)

    def add_task(self, index: int) -> TaskName:
        name = TaskName(f"task_{index:03d}")
        task = TaskSpec(
            name=name,
            source=f"synthetic:{index}",
            splits={"train": "train[:80%]", "val": "train[80%:]", "test": "test"},
            class_names=tuple(str(label) for label in range(self.rng.choice((2, 10, 47)))),
            sizes={"train": 800, "val": 200, "test": 300},
            image_shape=(28, 28, 1),
            fingerprint=_digest("data", name),
        )
        self.commit(AddTask(task=task))
        return name

    def start(self, name: str, tasks: list[TaskName], iterations: int) -> None:
        self.experiment = name
        self.commit(
            StartExperiment(
                experiment=name,
                digest=_digest("experiment"),
                spec='{"seed": 0}',
                iterations=iterations,
                tasks=tuple(tasks),
            )
        )

    def iterate(self, task: TaskName, children: int) -> None:
        iteration = self.view.iterations.get(task, 0)
        self.commit(BeginIteration(experiment=self.experiment, agent=_AGENT, task=task, iteration=iteration))
        best = self.view.best(task)
        for child in range(children):
            model = self.child(task, iteration, child, best)
            best = model if model is not None else best
        self.commit(
            EndIteration(
                experiment=self.experiment,
                agent=_AGENT,
                task=task,
                iteration=iteration,
                best=best.id if best else None,
                score=best.quality * 0.98 if best else None,
            )
        )
        if best is not None and best.id not in self.state.evaluations:
            self.commit(AddEvaluation(evaluation=_evaluation(task, best)))
        values = metrics(self.state, self.experiment)
        operation = AddMetrics(experiment=self.experiment, task=task, iteration=iteration, values=values)
        self.commit(operation)

    def child(self, task: TaskName, iteration: int, child: int, best: Model | None) -> Model | None:
        """Finish one child; the model when it was accepted."""
        others = [self.root.id, *self.view.bests.values()][-6:]
        parent = best or self.view.models[self.rng.choice(others)]
        model = self.offspring(parent, task, iteration, child)
        failed = self.rng.random() < 0.08
        accepted = not failed and (best is None or model.quality > best.quality)
        self.commit(
            FinishChild(
                experiment=self.experiment,
                agent=_AGENT,
                task=task,
                iteration=iteration,
                generation=1,
                child=child,
                seed=model.seed,
                parent=parent.id,
                mutations=model.mutations,
                score=None if failed else model.quality * 0.98,
                model=model if accepted else None,
                result=None if failed else _result(model),
                failure=JobFailed(kind="diverged", text="The loss is NaN.", seed=7) if failed else None,
            )
        )
        return model if accepted else None

    def offspring(self, parent: Model, task: TaskName, iteration: int, child: int) -> Model:
        seed = self.rng.getrandbits(40)
        cloned = {str(c.slot) for c in parent.components if self.rng.random() < 0.15} | {"norm", "head"}
        parts = [_trained(c, task, seed) if c.slot in cloned else c for c in parent.components]
        slots = [str(c.slot) for c in parts]
        mutations = [f"clone:{slot}" for slot in slots if slot in cloned - {"norm", "head"}]
        if self.rng.random() < 0.15 and "adapter_1" not in slots and "block_1" in slots:
            fresh = _root_component(SlotName("adapter_1"))
            parts.insert(slots.index("block_1"), _trained(fresh, task, seed))
            mutations.append("insert:adapter_1")
        if self.rng.random() < 0.1 and "block_2" in slots:
            parts = [c for c in parts if c.slot != "block_2"]
            mutations.append("remove:layer")
        if self.rng.random() < 0.3:
            mutations.append("hp:opt.lr")
        quality = self.rng.uniform(0.4, 0.9) if parent.task != task else parent.quality
        lr = self.rng.choice((0.005, 0.02)) if "hp:opt.lr" in mutations else parent.hparams["opt.lr"]
        return identified(
            replace(
                parent,
                task=task,
                num_classes=self.view.task(task).num_classes,
                components=tuple(parts),
                hparams={**parent.hparams, "opt.lr": lr},
                mu={**parent.mu, "hp:opt.lr": self.rng.choice((0.18, 0.2, 0.22))},
                parent=parent.id,
                agent=_AGENT,
                iteration=iteration,
                generation=1,
                child=child,
                seed=seed,
                mutations=dict.fromkeys(mutations, 0.2),
                quality=min(quality + self.rng.uniform(-0.03, 0.06), 0.999),
                flops=_flops([str(c.slot) for c in parts]),
                samples=_SAMPLES,
                train_flops=3 * parent.flops * _SAMPLES,
            )
        )


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def _kind(slot: str) -> str:
    return slot.split("_")[0]


def _flops(slots: Iterable[str]) -> int:
    return sum(_FLOPS.get(_kind(slot), 1_000) for slot in slots)


def _root_component(slot: SlotName) -> Component:
    kind = _kind(slot)
    return Component(
        slot=slot,
        kind=kind,
        id=ComponentId(_digest("root", slot)),
        num_params=_SIZES.get(kind, 1_930),
    )


def _trained(component: Component, task: TaskName, seed: int) -> Component:
    head = component.kind == "head" and component.last_task != task
    cycles = {} if head else dict(component.cycles)
    return replace(
        component,
        id=ComponentId(_digest("trained", component.slot, task, str(seed))),
        momentum=BlobId(_digest("momentum", component.slot, task, str(seed))),
        cycles={**cycles, task: cycles.get(task, 0) + 4},
        last_task=task,
    )


def _evaluation(task: TaskName, model: Model) -> Evaluation:
    accuracy = max(model.quality - Random(f"test {model.id}").uniform(0.0, 0.03), 0.0)
    return Evaluation(model=model.id, task=task, split=TEST, accuracy=accuracy, num_samples=300)


def _result(model: Model) -> TrainResult:
    quality = model.quality
    return TrainResult(
        quality=quality,
        best_cycle=4,
        trained={},
        losses=(2.0, 1.0, 0.7, 0.5),
        accuracies=(quality - 0.2, quality - 0.1, quality - 0.05, quality),
        samples=model.samples,
        val_samples=200,
        flops=model.train_flops,
    )
