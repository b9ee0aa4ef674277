"""The life of three tasks that were bound and grown, with numbers that can be reckoned by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from random import Random

from taskgrove.domain.ids import CommitId, ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import JobFailed, TrainResult
from taskgrove.domain.records import (
    AddEvaluation,
    BeginIteration,
    Commit,
    Component,
    EndIteration,
    Evaluation,
    FinishChild,
    FinishProbe,
    Model,
    Operation,
    Publish,
    StartExperiment,
    identified,
)
from taskgrove.reports.analyses.bindings import GROWN, INDEPENDENT, METHOD

SLOTS = ("low", "mid", "head")
ROOT = ModelId("root")
EXPERIMENT = "scripted"
RESULT = TrainResult(
    quality=0.0,
    best_cycle=1,
    trained={},
    losses=(1.0,),
    accuracies=(0.0,),
    samples=8,
    val_samples=2,
    flops=8,
)


class Life:
    """A log under construction."""

    def __init__(self, spec: Mapping[str, object]) -> None:
        self.commits: list[Commit] = []
        text = json.dumps(spec)
        self.add(StartExperiment(experiment=EXPERIMENT, digest="d", spec=text, iterations=1, tasks=()))

    def add(self, operation: Operation) -> None:
        number = len(self.commits)
        self.commits.append(
            Commit(number=number, previous="", id=CommitId(f"c{number}"), time=0.0, operation=operation)
        )

    def begin(self, task: str) -> None:
        self.add(BeginIteration(experiment=EXPERIMENT, agent=METHOD, task=TaskName(task), iteration=0))

    def child(self, task: str, generation: int, quality: float | None, *mutations: str) -> Model:
        """A net of the task; one without a quality failed."""
        model = model_of(task, generation, quality or 0.0)
        self.add(
            FinishChild(
                experiment=EXPERIMENT,
                agent=METHOD,
                task=TaskName(task),
                iteration=0,
                generation=generation,
                child=0,
                seed=1,
                parent=ROOT,
                mutations=dict.fromkeys(mutations, 1.0),
                score=quality,
                model=None if quality is None else model,
                result=None if quality is None else replace(RESULT, quality=quality),
                failure=JobFailed(kind="diverged", text="NaN", seed=1) if quality is None else None,
            )
        )
        return model

    def alone(self, task: str, quality: float | None) -> Model:
        return self.child(task, INDEPENDENT, quality)

    def grown(self, task: str, quality: float | None, *mutations: str) -> Model:
        return self.child(task, GROWN, quality, *mutations)

    def probe(self, task: str, other: str, *conflicts: float) -> None:
        """Conflicts of the slots, the head's included."""
        values = zip(map(SlotName, SLOTS), conflicts, strict=True)
        self.add(
            FinishProbe(
                experiment=EXPERIMENT,
                agent=METHOD,
                task=TaskName(task),
                iteration=0,
                models=(ModelId(task), ModelId(other)),
                other=TaskName(other),
                measure="rsa",
                split="val",
                num_samples=64,
                conflicts=dict(values),
            )
        )

    def publish(self, task: str, *models: Model) -> None:
        replaces = {model.task: None for model in models if model.task is not None}
        self.add(
            Publish(
                experiment=EXPERIMENT,
                agent=METHOD,
                task=TaskName(task),
                iteration=0,
                models=models,
                replaces=replaces,
            )
        )

    def end(self, task: str, best: Model | None) -> None:
        """The iteration ends with a model, or with none."""
        identity = None if best is None else best.id
        self.add(
            EndIteration(
                experiment=EXPERIMENT,
                agent=METHOD,
                task=TaskName(task),
                iteration=0,
                best=identity,
                score=None,
            )
        )

    def test(self, model: Model, accuracy: float) -> None:
        assert model.task is not None
        evaluation = Evaluation(
            model=model.id, task=model.task, split="test", accuracy=accuracy, num_samples=100
        )
        self.add(AddEvaluation(evaluation=evaluation))


def model_of(task: str, number: int, quality: float) -> Model:
    """A model of the task whose components have ids of their own."""
    parts = (
        Component(slot=SlotName(slot), kind=slot, id=ComponentId(f"{slot} {task} {number}"), num_params=4)
        for slot in SLOTS
    )
    return identified(
        Model(
            member="scripted",
            num_classes=2,
            components=tuple(parts),
            hparams={},
            task=TaskName(task),
            agent=METHOD,
            generation=number,
            quality=quality,
        )
    )


def three_tasks(spec: Mapping[str, object] | None = None) -> Life:
    """a stays alone; b is bound to a and trains `low` of both; c is bound to b and freezes what it shares."""
    life = Life(spec or {"agent": {"options": {"delta": 0.6}}})
    life.begin("a")
    first = life.alone("a", 0.8)
    life.end("a", first)
    life.test(first, 0.78)
    life.begin("b")
    life.alone("b", 0.7)
    life.probe("b", "a", 0.3, 0.4, 9.0)
    own, other = life.grown("b", 0.76, "bind:a", "clone:mid", "tune:low"), model_of("a", 7, 0.82)
    life.publish("b", own, other)
    life.end("b", own)
    life.test(own, 0.75)
    life.test(other, 0.77)
    life.begin("c")
    life.alone("c", 0.9)
    life.probe("c", "a", 0.6, 0.8, 0.0)
    life.probe("c", "b", 0.1, 0.3, 0.0)
    best = life.grown("c", 0.85, "bind:b", "clone:mid")
    life.end("c", best)
    life.test(best, 0.84)
    return life


def many_tasks(number: int) -> Life:
    """Each is bound to the earlier one with the least conflict and grows `mid`."""
    rng, life = Random(0), Life({})
    names = [f"task_with_a_name_{index:02d}" for index in range(number)]
    for index, name in enumerate(names):
        life.begin(name)
        best = life.alone(name, 0.5)
        conflicts = {other: rng.uniform(0.5, 1.5) for other in names[:index]}
        for other, conflict in conflicts.items():
            life.probe(name, other, conflict, conflict, 0.0)
        if conflicts:
            least = min(conflicts, key=lambda other: conflicts[other])
            best = life.grown(name, 0.6, f"bind:{least}", "clone:mid")
        life.end(name, best)
    return life
