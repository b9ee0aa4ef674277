"""Where things come from: a component with all that it went through, a task's history, one commit in full."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from taskgrove.domain.ids import AgentName, ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.records import Commit, Component
from taskgrove.reports.quantities import MISSING, human, percent, plural, short, utc
from taskgrove.reports.words.explain import Explanation
from taskgrove.reports.words.log import describe
from taskgrove.reports.words.show import ModelDescription, two_columns
from taskgrove.store.codec import KINDS
from taskgrove.store.index.answers import Contributor, Iteration, Remark, Use

_KINDS = {operation: kind for kind, operation in KINDS.items()}
_MOST_USERS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A component that another was trained from: its id, and who brought it (None for a root)."""

    component: ComponentId
    task: TaskName | None
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentDescription:
    """A component's provenance at a commit.

    Attributes:
        component, slot, kind, num_params: As the model that brought it holds it.
        number: Of the commit that brought it.
        task, agent, model: Who did; None for a root's component.
        cycles: Training cycles by task, over its whole ancestry.
        ancestors: What it was trained from, nearest first: the parent model's component of the same slot,
            and so on, as far as its own cycles go on from theirs.
        published_in: Tasks whose published model holds it.
        in_roots: Number of root models that do.
        num_live, num_ever: Models that hold it, and that ever held it.
        users: All of the latter, in order of arrival.
    """

    component: ComponentId
    slot: SlotName
    kind: str
    num_params: int
    number: int
    task: TaskName | None
    agent: AgentName | None
    model: ModelId
    cycles: Mapping[TaskName, int]
    ancestors: tuple[Ancestor, ...]
    published_in: tuple[TaskName, ...]
    in_roots: int
    num_live: int
    num_ever: int
    users: tuple[Use, ...]

    def as_json(self) -> dict[str, object]:
        """Plain values, ids in full."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain

    def as_rich(self) -> RenderableType:
        """For the terminal."""
        table = two_columns()
        table.add_row("component", f"{self.component} ({self.slot}, {human(self.num_params)} parameters)")
        who = "a root" if self.task is None else f"task {self.task} ({self.agent})"
        table.add_row("contributed by", f"{who}, model {short(self.model)}, commit {self.number}")
        trained = ", ".join(f"{task} {plural(count, 'cycle')}" for task, count in self.cycles.items())
        table.add_row("trained by", trained or "nobody since the root")
        chain = (f"{short(a.component)} of {a.task or 'a root'} (commit {a.number})" for a in self.ancestors)
        table.add_row("trained from", " ← ".join(chain) or "nothing that is known")
        holders = [*(["root"] if self.in_roots else []), *self.published_in]
        table.add_row("published in", _some(holders) or "no model any more")
        table.add_row("held by", f"{plural(self.num_live, 'live model')}, {self.num_ever} ever")
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDescription:
    """A task's published model and how it came about.

    Attributes:
        task: Which.
        model: Its published model; None when it has none, or has left the system.
        retired: Whether it has left.
        iterations: That ended, and what was published within them.
        notes: About the task.
        explanation: Of what bind-and-grow chose; None when it has had no part in the task.
    """

    task: TaskName
    model: ModelDescription | None
    retired: bool
    iterations: tuple[Iteration, ...]
    notes: tuple[Remark, ...]
    explanation: Explanation | None = None

    def as_json(self) -> dict[str, object]:
        """The model's values, then those of the task."""
        own: dict[str, object] = {
            "task": self.task,
            "retired": self.retired,
            "iterations": msgspec.to_builtins(self.iterations),
            "notes": msgspec.to_builtins(self.notes),
        }
        if self.explanation is not None:
            own["explanation"] = self.explanation.as_json()
        return {**(self.model.as_json() if self.model else {}), **own}

    def as_rich(self) -> RenderableType:
        """For the terminal."""
        first: RenderableType = f"Task {self.task} has been retired; its history stays."
        if self.model is not None:
            first = self.model.as_rich()
        why = [self.explanation.as_rich()] if self.explanation is not None else []
        notes = [Text(f"note (commit {note.number}): {note.text}") for note in self.notes]
        return Group(first, *why, *([_iterations(self.iterations)] if self.iterations else []), *notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitDescription:
    """One commit, in full.

    Attributes:
        commit: The record.
        tags: Names of the commit.
    """

    commit: Commit
    tags: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Plain values, as they are stored."""
        plain: dict[str, object] = msgspec.to_builtins(self.commit)
        return {**plain, "kind": _KINDS[type(self.commit.operation)], "tags": list(self.tags)}

    def as_rich(self) -> RenderableType:
        """For the terminal."""
        commit = self.commit
        table = two_columns()
        table.add_row("commit", ", ".join([str(commit.number), *self.tags]))
        table.add_row("what", describe(commit.operation))
        table.add_row("time (UTC)", utc(commit.time))
        table.add_row("id", commit.id)
        table.add_row("after record", commit.previous or "none: it is the first")
        if commit.claim is not None:
            table.add_row("under the claim", f"of commit {commit.claim}")
        if commit.epoch:
            table.add_row("epoch", str(commit.epoch))
        table.add_row(
            "meters", ", ".join(f"{name} {value:g}" for name, value in commit.meters.items()) or "none"
        )
        record = json.dumps(msgspec.to_builtins(commit.operation), indent=1, ensure_ascii=False)
        return Group(table, Text(f"{_KINDS[type(commit.operation)]} {record}"))


def describe_component(
    component: Component, contributor: Contributor, ancestors: Sequence[Ancestor], users: Sequence[Use]
) -> ComponentDescription:
    """A component's provenance.

    Args:
        component: As the model that brought it holds it.
        contributor: Who brought it.
        ancestors: Nearest first.
        users: Models that ever held it.
    """
    return ComponentDescription(
        component=component.id,
        slot=component.slot,
        kind=component.kind,
        num_params=component.num_params,
        number=contributor.number,
        task=contributor.task,
        agent=contributor.agent,
        model=contributor.model,
        cycles=dict(component.cycles),
        ancestors=tuple(ancestors),
        published_in=tuple(use.task for use in users if use.best and use.task is not None),
        in_roots=sum(use.live and use.task is None for use in users),
        num_live=sum(use.live for use in users),
        num_ever=len(users),
        users=tuple(users),
    )


def _iterations(found: Sequence[Iteration]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("commit", "experiment", "agent", "iteration", "model", "score", "val %", "test %"):
        table.add_column(heading, justify="left" if heading in ("experiment", "agent", "model") else "right")
    # A publication is followed by the end of its iteration, with the same model and its score.
    told = {(row.experiment, row.agent, row.iteration, row.model): row for row in found}
    for row in told.values():
        table.add_row(
            str(row.number),
            row.experiment,
            row.agent,
            str(row.iteration),
            "none" if row.model is None else short(row.model),
            MISSING if row.score is None else f"{row.score:.4f}",
            percent(row.quality),
            percent(row.test_accuracy),
        )
    return table


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_USERS
    return ", ".join(names[:_MOST_USERS]) + (f" and {rest} more" if rest > 0 else "")
