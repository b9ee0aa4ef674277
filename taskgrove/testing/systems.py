"""Synthetic systems with their histories: what reports, dashboards and tests read, without training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from random import Random

from taskgrove.domain.ids import AgentName, BlobId, CommitId, ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import JobFailed, TrainResult
from taskgrove.domain.records import (
    AddEvaluation,
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

Evaluations = Mapping[ModelId, Mapping[str, Evaluation]]

_SIZES = {"embedding": 147_648, "cls": 192, "pos": 960, "block": 444_864, "adapter": 12_896, "norm": 384}
_ROOT_SLOTS = ("embedding", "cls", "pos", "block_0", "block_1", "block_2", "norm", "head")
_AGENT, _EXPERIMENT, _START = AgentName("mu2net_plus"), "synthetic", 1_700_000_000.0


def synthetic_system(
    num_tasks: int, seed: int = 0, *, iterations: int = 2, children: int = 4
) -> tuple[SystemView, tuple[Commit, ...], Evaluations]:
    """A system as µ2Net+ leaves it, and how it came to be; equal arguments give equal systems.

    Tasks branch off the root or off an earlier task's model by clones, adapters and removed blocks;
    some children are rejected and some fail. Ids are consistent, hashes of stored bytes are not:
    there are no bytes.

    Args:
        num_tasks: Tasks `task_000`, `task_001`, … in order of arrival.
        seed: Of everything that is drawn.
        iterations: Task iterations per task.
        children: Children per task iteration.
    """
    grower = _Grower(seed)
    tasks = [grower.add_task(index) for index in range(num_tasks)]
    grower.start(tasks, iterations)
    for iteration in range(iterations):
        for task in tasks:
            grower.iterate(task, iteration, children)
    evaluations = {grower.bests[t]: {"test": grower.evaluate(t)} for t in tasks if t in grower.bests}
    return grower.view(), tuple(grower.history), evaluations


class _Grower:
    """The system under construction."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.history: list[Commit] = []
        self.tasks: dict[TaskName, TaskSpec] = {}
        self.models: dict[ModelId, Model] = {}
        self.bests: dict[TaskName, ModelId] = {}
        self.selections: dict[TaskName, dict[ModelId, int]] = {}
        self.iterations: dict[TaskName, int] = {}
        self.experiments: dict[str, StartExperiment] = {}
        self.root = identified(
            Model(
                member="vit-ti3",
                num_classes=10,
                components=tuple(_root_component(SlotName(name)) for name in _ROOT_SLOTS),
                hparams={"opt.lr": 0.01, "data.flip": False, "mu": 0.2},
                flops=14_800_000,
            )
        )
        self.models[self.root.id] = self.root
        self.commit(AddRoot(model=self.root))

    def commit(self, operation: Operation) -> None:
        number = len(self.history)
        previous = _digest("commit", str(number - 1)) if number else ""
        self.history.append(
            Commit(
                number=number,
                previous=previous,
                id=CommitId(f"synthetic-{number}"),
                time=_START + 30.0 * number,
                operation=operation,
            )
        )

    def add_task(self, index: int) -> TaskName:
        name = TaskName(f"task_{index:03d}")
        self.tasks[name] = TaskSpec(
            name=name,
            source=f"synthetic:{index}",
            splits={"train": "train[:80%]", "val": "train[80%:]", "test": "test"},
            class_names=tuple(str(label) for label in range(self.rng.choice((2, 10, 47)))),
            sizes={"train": 800, "val": 200, "test": 300},
            image_shape=(28, 28, 1),
            fingerprint=_digest("data", name),
        )
        self.commit(AddTask(task=self.tasks[name]))
        return name

    def start(self, tasks: list[TaskName], iterations: int) -> None:
        operation = StartExperiment(
            experiment=_EXPERIMENT,
            digest=_digest("experiment"),
            spec='{"seed": 0}',
            iterations=iterations,
            tasks=tuple(tasks),
        )
        self.experiments[_EXPERIMENT] = operation
        self.commit(operation)

    def iterate(self, task: TaskName, iteration: int, children: int) -> None:
        self.commit(BeginIteration(experiment=_EXPERIMENT, agent=_AGENT, task=task, iteration=iteration))
        best = self.models[self.bests[task]] if task in self.bests else None
        for child in range(children):
            model = self.child(task, iteration, child, best)
            best = model if model is not None else best
        if best is not None:
            self.models[best.id] = best
            self.bests[task] = best.id
        self.iterations[task] = iteration + 1
        self.commit(
            EndIteration(
                experiment=_EXPERIMENT,
                agent=_AGENT,
                task=task,
                iteration=iteration,
                best=best.id if best else None,
                score=best.quality * 0.98 if best else None,
            )
        )

    def child(self, task: TaskName, iteration: int, child: int, best: Model | None) -> Model | None:
        """Finish one child; the model when it was accepted."""
        parent = best or self.models[self.rng.choice([self.root.id, *self.bests.values()][-6:])]
        chosen = self.selections.setdefault(task, {})
        chosen[parent.id] = chosen.get(parent.id, 0) + 1
        model = self.offspring(parent, task, iteration, child)
        failed = self.rng.random() < 0.08
        accepted = not failed and (best is None or model.quality > best.quality)
        self.commit(
            FinishChild(
                experiment=_EXPERIMENT,
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
                result=None if failed else _result(model.quality),
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
                num_classes=self.tasks[task].num_classes,
                components=tuple(parts),
                hparams={**parent.hparams, "opt.lr": lr},
                mu={**parent.mu, "hp:opt.lr": self.rng.choice((0.18, 0.2, 0.22))},
                parent=parent.id,
                agent=_AGENT,
                iteration=iteration,
                generation=1,
                child=child,
                seed=seed,
                mutations=tuple(mutations),
                quality=min(quality + self.rng.uniform(-0.03, 0.06), 0.999),
                samples=3_200,
            )
        )

    def evaluate(self, task: TaskName) -> Evaluation:
        model = self.models[self.bests[task]]
        accuracy = max(model.quality - self.rng.uniform(0.0, 0.03), 0.0)
        evaluation = Evaluation(model=model.id, task=task, split="test", accuracy=accuracy, num_samples=300)
        self.commit(AddEvaluation(evaluation=evaluation))
        return evaluation

    def view(self) -> SystemView:
        live = {self.root.id, *self.bests.values()}
        return SystemView(
            number=len(self.history) - 1,
            tasks=self.tasks,
            models={id: model for id, model in self.models.items() if id in live},
            roots=(self.root.id,),
            bests=self.bests,
            selections={
                task: {id: count for id, count in chosen.items() if id in live}
                for task, chosen in self.selections.items()
            },
            iterations=self.iterations,
            progress={_EXPERIMENT: self.iterations} if self.iterations else {},
            experiments=self.experiments,
        )


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def _root_component(slot: SlotName) -> Component:
    kind = str(slot).split("_")[0]
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


def _result(quality: float) -> TrainResult:
    return TrainResult(
        quality=quality,
        best_cycle=4,
        trained={},
        losses=(2.0, 1.0, 0.7, 0.5),
        accuracies=(quality - 0.2, quality - 0.1, quality - 0.05, quality),
        samples=3_200,
        val_samples=200,
    )
