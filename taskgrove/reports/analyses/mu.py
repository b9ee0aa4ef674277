"""The mutation probabilities µ of a system's models, by action (µ2Net+, §3 and Figure 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType

from taskgrove.domain.ids import AgentName, SlotName, TaskName
from taskgrove.domain.records import FinishChild, Model, published_by
from taskgrove.mutations.mu import MU
from taskgrove.reports.analyses.run import Run

_CLONE, _INSERT = "clone:", "insert:"
_UNLEARNED: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Probability:
    """µ of one action for one published model.

    Attributes:
        variant, seed: Of its run.
        task: Whose model it is.
        action: As mutations name it: `hp:opt.lr`, `clone:block_0`.
        group: The action without its place: `clone:block`, `insert:adapter`; the others' own name.
        slot: Whose component is cloned; None for other actions.
        value: The probability.
        moved: Whether it is an entry of the model's table; others have the method's initial value.
    """

    variant: str
    seed: int | None
    task: TaskName
    action: str
    group: str
    slot: SlotName | None
    value: float
    moved: bool


def probabilities(runs: Sequence[Run]) -> list[Probability]:
    """Of every action that is possible for a task's model, as far as a child of the run has shown it.

    µ2Net+ stores an entry only when it has moved; until then it is 0.2, and counts as that. Methods that
    learn no table have the model's scalar µ for every action. What a method does always, or with a
    probability of its own, has no µ.
    """
    return [found for run in runs for found in _of_run(run)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """What a method draws by chance.

    Attributes:
        learned: Whether it learns a table.
        actions: That have been drawn, or have an entry in a table.
    """

    learned: bool
    actions: frozenset[str]


def _of_run(run: Run) -> Iterator[Probability]:
    drawn = _drawn(run)
    for task in run.view.tasks:
        model = run.view.best(task)
        if model is not None and model.agent is not None and model.agent in drawn:
            yield from _of_model(run, task, model, drawn[model.agent])


def _drawn(run: Run) -> Mapping[AgentName, _Drawn]:
    """By method, from all children of the run."""
    children = [c.operation for c in run.history if isinstance(c.operation, FinishChild)]
    tables = {model.id: model.mu for commit in run.history for model in published_by(commit)}
    learned = {
        child.agent
        for child in children
        if child.model is not None and not _inherited(child.model.mu, tables.get(child.parent))
    }
    actions: dict[AgentName, set[str]] = {child.agent: set() for child in children}
    for child in children:
        actions[child.agent] |= _by_chance(child, learned=child.agent in learned)
    return {name: _Drawn(learned=name in learned, actions=frozenset(seen)) for name, seen in actions.items()}


def _inherited(table: Mapping[str, float], parent: Mapping[str, float] | None) -> bool:
    """Whether no entry has moved, as far as the parent is known."""
    return parent is None or table.items() <= parent.items()


def _by_chance(child: FinishChild, *, learned: bool) -> set[str]:
    if learned:
        entries = child.model.mu if child.model is not None else {}
        return {*entries, *(name for name, p in child.mutations.items() if p < 1.0)}
    own = child.model.hparams.get(MU.name) if child.model is not None else None
    return {name for name, p in child.mutations.items() if p == own}


def _of_model(run: Run, task: TaskName, model: Model, drawn: _Drawn) -> Iterator[Probability]:
    initial = MU.default if drawn.learned else model.hparams.get(MU.name, MU.default)
    table = model.mu if drawn.learned else _UNLEARNED
    for action, (group, slot) in _possible(model, drawn.actions).items():
        yield Probability(
            variant=run.variant,
            seed=run.seed,
            task=task,
            action=action,
            group=group,
            slot=slot,
            value=float(table.get(action, initial)),
            moved=action in table,
        )


def _possible(model: Model, actions: Set[str]) -> dict[str, tuple[str, SlotName | None]]:
    """Actions that make sense for the model, each with its group and the slot that is cloned."""
    clones = {f"{_CLONE}{c.slot}": (f"{_CLONE}{c.kind}", c.slot) for c in model.components}
    found: dict[str, tuple[str, SlotName | None]] = {a: clones[a] for a in clones if a in actions}
    there = {f"{_INSERT}{component.slot}" for component in model.components}
    for action in sorted(actions - there):
        if action.startswith(_INSERT):
            found[action] = (action.rpartition("_")[0] or action, None)
        elif not action.startswith(_CLONE):
            found[action] = (action, None)
    return found
