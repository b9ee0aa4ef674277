"""What bind-and-grow chose and by which numbers: whom a task was bound to, what it grew (004, §3)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import AgentName, SlotName, TaskName
from taskgrove.domain.records import (
    BeginIteration,
    BeginRound,
    Commit,
    EndIteration,
    FinishChild,
    FinishProbe,
    StartExperiment,
)

METHOD = AgentName("bind_grow")
INDEPENDENT, GROWN = 0, 1
"""Generations of its children: the task's independent net, then its net in the system."""
Options = Mapping[str, HparamValue]


class Fate(StrEnum):
    """What became of a layer of the task that another was bound to."""

    GROWN = "grown"
    TUNED = "tuned"
    FROZEN = "frozen"


class Kept(StrEnum):
    """Which model an iteration ended with."""

    GROWN = "grown"
    INDEPENDENT = "independent"
    EARLIER = "earlier"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer that the two tasks may share; heads are not among them.

    Attributes:
        slot: Which.
        conflict: Its dissimilarity; None when it was not compared.
        share: Of all layers' conflicts, in [0, 1].
        fate: What became of it.
    """

    slot: SlotName
    conflict: float | None
    share: float | None
    fate: Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One bind-grow step.

    Attributes:
        task, iteration: Whose.
        number: Of the commit that ended it.
        bound: The task that it was bound to; None for an independent net.
        candidates: Tasks that it was compared with and how much they conflict, least first.
        layers: Of the task that it was bound to, in the order in which data flows.
        chain: The task, the one it was bound to, the one that had been bound to, and so on.
        measure, num_samples: Of the comparisons, and the images that they were made on.
        independent, grown: Validation accuracies of the two nets, in [0, 1]; None where there was none.
        kept: Which of them became the task's model.
        options: Of the method.
    """

    task: TaskName
    iteration: int
    number: int
    bound: TaskName | None
    candidates: Mapping[TaskName, float]
    layers: tuple[Layer, ...]
    chain: tuple[TaskName, ...]
    measure: str | None
    num_samples: int
    independent: float | None
    grown: float | None
    kept: Kept
    options: Options

    def fated(self, fate: Fate) -> tuple[SlotName, ...]:
        """The layers of which that became."""
        return tuple(layer.slot for layer in self.layers if layer.fate is fate)


def bindings(history: Iterable[Commit], usual: Options = MappingProxyType({})) -> tuple[Binding, ...]:
    """Every bind-grow step that has ended, in the order of the log.

    Args:
        history: From the start of the log.
        usual: The method's options where an experiment gives none.
    """
    found: list[Binding] = []
    chains: dict[TaskName, tuple[TaskName, ...]] = {}
    steps: dict[TaskName, list[FinishProbe | FinishChild]] = {}
    specs: dict[str, str] = {}
    for commit in history:
        match commit.operation:
            case StartExperiment(experiment=name, spec=spec):
                specs[name] = spec
            case BeginIteration(task=task):
                steps[task] = []
            case BeginRound(iterations=iterations):
                steps.update((task, []) for task in iterations)
            case FinishProbe() | FinishChild() as step if step.agent == METHOD:
                steps.setdefault(step.task, []).append(step)
            case EndIteration(task=task) as end if end.agent == METHOD:
                options = {**usual, **_options(specs.get(end.experiment, "{}"), task)}
                binding = _binding(commit.number, end, steps.pop(task, []), chains, options)
                chains |= {task: binding.chain} if binding.kept is Kept.GROWN else {}
                chains |= {task: (task,)} if binding.kept is Kept.INDEPENDENT else {}
                found.append(binding)
    return tuple(found)


def newest(found: Iterable[Binding]) -> dict[TaskName, Binding]:
    """The last step of each task, in the order of their first ones."""
    return {binding.task: binding for binding in found}


def _options(spec: str, task: TaskName) -> Options:
    """What an experiment says of a task's agent."""
    told = json.loads(spec)
    groups = (group["agent"] for group in told.get("groups", ()) if task in group["tasks"])
    agent = next((agent for agent in groups if agent), told.get("agent", {}))
    options: Options = agent.get("options", {})
    return options


def _binding(
    number: int,
    end: EndIteration,
    steps: Sequence[FinishProbe | FinishChild],
    chains: Mapping[TaskName, tuple[TaskName, ...]],
    options: Options,
) -> Binding:
    probes = {step.other: step for step in steps if isinstance(step, FinishProbe)}
    children = {step.generation: step for step in steps if isinstance(step, FinishChild)}
    alone, grown = children.get(INDEPENDENT), children.get(GROWN)
    slots = _slots(grown, alone)
    conflicts = {
        other: {slot: value for slot, value in probe.conflicts.items() if slot not in slots[-1:]}
        for other, probe in probes.items()
    }
    norms = {other: math.hypot(*values.values()) for other, values in conflicts.items()}
    bound = None if grown is None else _bound(grown)
    probe = next(iter(probes.values()), None)
    return Binding(
        task=end.task,
        iteration=end.iteration,
        number=number,
        bound=bound,
        candidates=dict(sorted(norms.items(), key=lambda item: item[1])),
        layers=() if grown is None or bound is None else _layers(grown, conflicts.get(bound, {}), slots[:-1]),
        chain=(end.task,) if bound is None else (end.task, *chains.get(bound, (bound,))),
        measure=probe.measure if probe else None,
        num_samples=probe.num_samples if probe else 0,
        independent=alone.result.quality if alone and alone.result else None,
        grown=grown.result.quality if grown and grown.result else None,
        kept=_kept(end, alone, grown),
        options=options,
    )


def _bound(grown: FinishChild) -> TaskName | None:
    """The task that the net was bound to, which is said among the changes made to its parent."""
    names = (name.removeprefix("bind:") for name in grown.mutations if name.startswith("bind:"))
    return next(map(TaskName, names), None)


def _slots(grown: FinishChild | None, alone: FinishChild | None) -> tuple[SlotName, ...]:
    """Those of the net in the system, else of the independent one, in order; the topmost is the head."""
    models = (child.model for child in (grown, alone) if child is not None and child.model is not None)
    return next((tuple(c.slot for c in model.components) for model in models), ())


def _layers(
    grown: FinishChild, conflicts: Mapping[SlotName, float], body: Sequence[SlotName]
) -> tuple[Layer, ...]:
    changed = {name.partition(":")[2]: name for name in grown.mutations if not name.startswith("bind:")}
    total = sum(conflicts.values())
    return tuple(
        Layer(
            slot=slot,
            conflict=conflicts.get(slot),
            share=conflicts[slot] / total if total and slot in conflicts else None,
            fate=_fate(changed.get(slot, "")),
        )
        for slot in body
    )


def _fate(change: str) -> Fate:
    known = {"clone": Fate.GROWN, "tune": Fate.TUNED}
    return known.get(change.partition(":")[0], Fate.FROZEN)


def _kept(end: EndIteration, alone: FinishChild | None, grown: FinishChild | None) -> Kept:
    if end.best is None:
        return Kept.NOTHING
    made = {Kept.GROWN: grown, Kept.INDEPENDENT: alone}
    for kept, child in made.items():
        if child is not None and child.model is not None and child.model.id == end.best:
            return kept
    return Kept.EARLIER
