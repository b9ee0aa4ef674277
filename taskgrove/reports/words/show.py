"""One model, or the system, told in detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import AgentName, ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.records import Component, Model
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.duty import Worker
from taskgrove.reports.analyses.duty import sentence as duty_sentence
from taskgrove.reports.analyses.history import budget
from taskgrove.reports.analyses.speed import sentence, speed_of
from taskgrove.reports.analyses.tasks import Evaluations, Totals, totals
from taskgrove.reports.quantities import human, percent, plural, short
from taskgrove.reports.words.table import bytes_sentence, sharing_sentence
from taskgrove.scoring.accounting import accounted_params
from taskgrove.store.spent import Spent

_MOST_NAMES = 3
_MOST_ANCESTORS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotDescription:
    """A component in its slot.

    Attributes:
        slot, kind, component, num_params: As in `Component`.
        shared_with: Other tasks whose published model uses it.
        in_roots: Number of root models that use it.
        last_task: Which task trained it last; None when none has.
        cycles: Training cycles by task.
        momentum: Whether an optimiser's momentum is stored with it.
    """

    slot: SlotName
    kind: str
    component: ComponentId
    num_params: int
    shared_with: tuple[TaskName, ...]
    in_roots: int
    last_task: TaskName | None
    cycles: Mapping[TaskName, int]
    momentum: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """A model with what its system says about it; fields as in `Model`.

    Attributes:
        accounted_params: Its part of the parameters it uses, roots counted as sharers.
        ancestors: Nearest first, each as task (None for a root) and id; without the index of the log, the
            walk ends before the first retired one.
        introduced: Number of the commit that brought it, if that was looked up.
        state: `published`, `root`, `active` in a task iteration that has not ended, or `retired`.
        test_accuracy: In [0, 1]; None when it was not measured, or not asked for.
    """

    model: ModelId
    task: TaskName | None
    member: str
    agent: AgentName | None
    iteration: int
    generation: int
    child: int
    parent: ModelId | None
    ancestors: tuple[tuple[TaskName | None, ModelId], ...]
    mutations: Mapping[str, float]
    quality: float
    num_params: int
    accounted_params: float
    flops: int
    samples: int
    train_flops: int
    seed: int
    hparams: Mapping[str, HparamValue]
    mu: Mapping[str, float]
    slots: tuple[SlotDescription, ...]
    introduced: int | None = None
    state: str = "published"
    test_accuracy: float | None = None

    def as_json(self) -> dict[str, object]:
        """Plain values, ids in full."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain

    def as_rich(self) -> RenderableType:
        """For the terminal: facts, then the slots from input to head."""
        return Group(_facts(self), _slot_table(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemDescription:
    """A system at one commit.

    Attributes:
        number: Of the commit; -1 when the log is empty.
        roots: Member and id of the root models.
        totals: Sizes and accuracies; test accuracies are not in a view.
        iterations: Finished task iterations by task.
        progress: Finished and asked task iterations over all tasks, by experiment.
        active: Tasks inside a task iteration, with the size of the active population.
        spent: What each experiment has cost so far; without those that have not trained a child.
    duty: How busy the workers of experiments were lately; see `duty.duty`.
    """

    number: int
    roots: tuple[tuple[str, ModelId], ...]
    totals: Totals
    iterations: Mapping[TaskName, int]
    progress: Mapping[str, tuple[int, int]]
    active: Mapping[TaskName, int]
    spent: Mapping[str, Spent]
    duty: Mapping[str, tuple[Worker, ...]]

    def as_json(self) -> dict[str, object]:
        """Plain values, ids in full."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain

    def as_rich(self) -> RenderableType:
        """For the terminal."""
        total = self.totals
        table = two_columns()
        table.add_row("commit", str(self.number) if self.number >= 0 else "none yet")
        table.add_row(
            "roots", ", ".join(f"{member} ({short(root)})" for member, root in self.roots) or "none"
        )
        table.add_row("tasks", f"{total.num_tasks}, {total.num_models} with a model")
        table.add_row("parameters", sharing_sentence(total))
        table.add_row("stored", bytes_sentence(total))
        table.add_row("validation", f"{percent(total.mean_val_accuracy)} % on average")
        for name, (done, asked) in self.progress.items():
            finished = f"{done} of {plural(asked, 'task iteration')} finished"
            used = f"; used {budget(self.spent[name])}" if name in self.spent else ""
            table.add_row(f"experiment {name}", finished + used)
            speed = speed_of(self.spent.get(name, Spent()))
            if speed is not None:
                table.add_row("its speed", sentence(speed))
            if len(workers := self.duty.get(name, ())) > 1:
                table.add_row("its workers", duty_sentence(workers))
        for task, size in self.active.items():
            table.add_row(f"active: {task}", f"{size} accepted so far in this task iteration")
        return table


def describe_model(
    model: Model,
    view: SystemView,
    *,
    ancestors: Sequence[tuple[TaskName | None, ModelId]] | None = None,
    introduced: int | None = None,
    evaluations: Evaluations = MappingProxyType({}),
) -> ModelDescription:
    """Everything known about a model of the system, published, retired or neither.

    Args:
        model: Which.
        view: The system at the commit that is looked at.
        ancestors: All of them, from the index; the view knows only live ones.
        introduced: Number of the commit that brought the model, from the index.
        evaluations: Test accuracies by model and split.
    """
    lineage = ((a.task, a.id) for a in view.ancestry(model)) if ancestors is None else ancestors
    tested = evaluations.get(model.id, {}).get("test")
    return ModelDescription(
        model=model.id,
        task=model.task,
        member=model.member,
        agent=model.agent,
        iteration=model.iteration,
        generation=model.generation,
        child=model.child,
        parent=model.parent,
        ancestors=tuple(lineage),
        mutations=model.mutations,
        quality=model.quality,
        num_params=model.num_params,
        accounted_params=accounted_params(model, view),
        flops=model.flops,
        samples=model.samples,
        train_flops=model.train_flops,
        seed=model.seed,
        hparams=dict(sorted(model.hparams.items())),
        mu=dict(sorted(model.mu.items())),
        slots=tuple(_describe_slot(component, model, view) for component in model.components),
        introduced=introduced,
        state=_standing(model, view),
        test_accuracy=tested.accuracy if tested else None,
    )


def describe_system(
    view: SystemView,
    spent: Mapping[str, Spent],
    duty: Mapping[str, tuple[Worker, ...]] = MappingProxyType({}),
) -> SystemDescription:
    """Where a system stands, what each experiment has cost, and how busy its workers were."""
    return SystemDescription(
        number=view.number,
        roots=tuple((view.models[root].member, root) for root in view.roots),
        totals=totals(view, {}),
        iterations=dict(view.iterations),
        progress={
            name: (sum(view.progress.get(name, {}).values()), start.iterations * len(start.tasks))
            for name, start in view.experiments.items()
        },
        active={task: len(population) for task, population in view.populations.items()},
        spent=spent,
        duty=dict(duty),
    )


def _standing(model: Model, view: SystemView) -> str:
    if model.id not in view.models:
        return "retired"
    if model.task is None:
        return "root"
    return "published" if view.bests.get(model.task) == model.id else "active"


def _describe_slot(component: Component, model: Model, view: SystemView) -> SlotDescription:
    users = view.users_of(component.id)
    return SlotDescription(
        slot=component.slot,
        kind=component.kind,
        component=component.id,
        num_params=component.num_params,
        shared_with=tuple(task for task in view.tasks if task in users and task != model.task),
        in_roots=view.roots_of(component.id),
        last_task=component.last_task,
        cycles=dict(component.cycles),
        momentum=component.momentum is not None,
    )


def _mutations(applied: Mapping[str, float]) -> str:
    """Each with the probability that drew it; what a method always does was not drawn."""
    named = (name if drawn == 1 else f"{name} (µ {drawn:g})" for name, drawn in applied.items())
    return ", ".join(named) or "none"


def _facts(model: ModelDescription) -> Table:
    made_by = f"{model.agent}, child {model.iteration}.{model.generation}.{model.child}, seed {model.seed}"
    chain = " ← ".join(
        f"{task or 'root'} {short(ancestor)}" for task, ancestor in model.ancestors[:_MOST_ANCESTORS]
    )
    rest = len(model.ancestors) - _MOST_ANCESTORS
    chain += f" ← {rest} more" if rest > 0 else ""
    table = two_columns()
    table.add_row("model", f"{model.model} ({model.member})")
    table.add_row("task", model.task or "none: a root model")
    came = "" if model.introduced is None else f", since commit {model.introduced}"
    table.add_row("state", "retired" if model.state == "retired" else f"{model.state}{came}")
    if model.parent is not None:
        table.add_row("made by", made_by)
        table.add_row("parent", chain or f"{short(model.parent)}, retired")
        table.add_row("mutations", _mutations(model.mutations))
        table.add_row("validation", f"{percent(model.quality)} %")
        if model.test_accuracy is not None:
            table.add_row("test", f"{percent(model.test_accuracy)} %")
        spent = f"{plural(model.samples, 'image')}, {human(model.train_flops)} FLOPs"
        table.add_row("trained on", spent)
    sizes = f"{human(model.num_params)}, accounted {human(model.accounted_params)}"
    table.add_row("parameters", sizes)
    table.add_row("FLOPs per image", human(model.flops))
    table.add_row("hyperparameters", _settings(model.hparams))
    table.add_row("moved µ", _settings(model.mu) or "none")
    return table


def _settings(values: Mapping[str, HparamValue]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def _slot_table(model: ModelDescription) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("slot", "component", "params", "trained last by", "cycles", "momentum", "shared with"):
        table.add_column(heading, justify="right" if heading == "params" else "left", overflow="fold")
    for slot in model.slots:
        table.add_row(
            slot.slot,
            short(slot.component),
            human(slot.num_params),
            slot.last_task or "root only",
            _names([f"{task} {count}" for task, count in slot.cycles.items()]),
            "yes" if slot.momentum else "no",
            _names([*(["root"] if slot.in_roots else []), *slot.shared_with]) or "nobody",
        )
    return table


def _names(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" +{rest}" if rest > 0 else "")


def two_columns() -> Table:
    """An empty table of facts: what, then which."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    return table
