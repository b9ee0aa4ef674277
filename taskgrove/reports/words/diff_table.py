"""The differences between two commits as tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from taskgrove.domain.ids import ModelId
from taskgrove.reports.analyses.diff import Change, Diff, TaskChange
from taskgrove.reports.quantities import MISSING, human, percent, short


def as_rich(found: Diff) -> RenderableType:
    """The system before and after, then a row for every task whose model is another one."""
    return Group(_summary(found), *([_table(found)] if found.changed else []))


def _summary(found: Diff) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("commits", f"{found.before} → {found.after}")
    table.add_row("tasks that came", ", ".join(found.came) or "none")
    table.add_row("tasks that left", ", ".join(found.left) or "none")
    table.add_row("models changed", str(len(found.changed)))
    table.add_row("distinct parameters", _arrow(found.distinct_params, human))
    table.add_row("mean validation %", _arrow(found.mean_val_accuracy, percent))
    table.add_row("mean test %", _arrow(found.mean_test_accuracy, percent))
    return table


def _table(found: Diff) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("task", "model", "score", "val %", "test %", "layers", "shared", "hyperparameters"):
        table.add_column(heading, overflow="fold")
    for change in found.changed:
        table.add_row(
            change.task,
            f"{_name(change.before)} → {_name(change.after)}",
            _arrow(change.score, _score),
            _arrow(change.val_accuracy, percent),
            _arrow(change.test_accuracy, percent),
            _layers(change),
            str(change.shared),
            ", ".join(f"{name} {was} → {now}" for name, (was, now) in change.hparams.items()),
        )
    return table


def _layers(change: TaskChange) -> str:
    """Kept ones are many, so they are counted; of the others the slots are named."""
    parts = [f"{change.kept} kept"]
    if change.replaced:
        parts.append(f"replaced {', '.join(change.replaced)}")
    if change.added:
        parts.append(
            f"{len(change.added)} added" if change.before is None else f"added {', '.join(change.added)}"
        )
    if change.removed:
        gone = f"{len(change.removed)} removed"
        parts.append(gone if change.after is None else f"removed {', '.join(change.removed)}")
    return ", ".join(parts)


def _arrow(change: Change, shown: Callable[[float | None], str]) -> str:
    before, after = shown(change.before), shown(change.after)
    return after if before == after else f"{before} → {after}"


def _score(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"


def _name(model: ModelId | None) -> str:
    return "none" if model is None else short(model)
