"""Why a task's model is what bind-and-grow made it, in words and one small table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Commit
from taskgrove.reports.analyses.bindings import Binding, Fate, Kept, Layer, Options, bindings
from taskgrove.reports.analyses.worth import Change, Worth, worths
from taskgrove.reports.quantities import MISSING, percent, plural
from taskgrove.reports.words.show import two_columns

_MOST_NEXT = 3
_MOST_LINKS = 8
_MOST_CHANGES = 3
_KEPT = {
    Kept.GROWN: "the grown net",
    Kept.INDEPENDENT: "the independent net",
    Kept.EARLIER: "neither: the earlier model is better",
    Kept.NOTHING: "none: training failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A task's steps, and what they were worth.

    Attributes:
        bindings: Of all its iterations, the newest last; none for a task that only others' steps changed.
        worth: Its accuracies over time.
    """

    bindings: tuple[Binding, ...]
    worth: Worth

    def as_json(self) -> dict[str, object]:
        """Plain values, numbers unrounded."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain

    def as_rich(self) -> RenderableType:
        """For the terminal: facts about the newest step that gave the model, then its layers."""
        told = made_by(self.bindings)
        table = two_columns()
        for name, text in (*(_choices(told) if told else ()), *_worth(self.worth)):
            table.add_row(name, text)
        return Group(table, *([_layers(told)] if told and told.layers else []))


def explain(task: TaskName, history: Iterable[Commit], usual: Options) -> Explanation | None:
    """Why the task's model is what it is; None when bind-and-grow has had no part in it.

    Args:
        task: Which.
        history: From the start of the log to the commit that is looked at.
        usual: The method's options where an experiment gives none.
    """
    commits = list(history)
    own = tuple(binding for binding in bindings(commits, usual) if binding.task == task)
    worth = next((each for each in worths(commits) if each.task == task), None)
    return None if worth is None else Explanation(bindings=own, worth=worth)


def made_by(found: Sequence[Binding]) -> Binding | None:
    """The newest step whose net was kept, else the newest one; None without any."""
    kept = [binding for binding in found if binding.kept in (Kept.GROWN, Kept.INDEPENDENT)]
    return next(reversed(kept or found), None)


def chain_text(chain: Sequence[TaskName]) -> str:
    """Transitive bindings, e.g. `c → b → a`."""
    rest = len(chain) - _MOST_LINKS
    return " → ".join(chain[:_MOST_LINKS]) + (f" → {rest} more" if rest > 0 else "")


def signed(value: float | None) -> str:
    """A fraction, or a difference of two, in percent with its sign.

    Example:
        >>> signed(-0.123), signed(0.0)
        ('−12.3', '+0.0')
    """
    return MISSING if value is None else f"{round(100 * value, 1) + 0.0:+.1f}".replace("-", "−")


def _choices(binding: Binding) -> list[tuple[str, str]]:
    alone = f"independent net {percent(binding.independent)} %"
    if binding.bound is None:
        failed = binding.independent is None
        why = "its independent net failed" if failed else "there was no other task to be bound to"
        return [("bound to", f"nobody: {why}"), ("validation", alone)]
    nets = f"{alone}, grown net {percent(binding.grown)} %; kept {_KEPT[binding.kept]}"
    return [
        ("bound to", _bound(binding, binding.bound)),
        ("bindings", chain_text(binding.chain)),
        ("grown", _grown(binding)),
        ("validation", nets),
    ]


def _bound(binding: Binding, bound: TaskName) -> str:
    drawn = ", drawn at random" if binding.options.get("bind") == "random" else ""
    if bound not in binding.candidates:
        return f"{bound}{drawn}, without a comparison"
    others = [task for task in binding.candidates if task != bound]
    named = [f"{task} {binding.candidates[task]:.3f}" for task in others[:_MOST_NEXT]]
    rest = len(others) - _MOST_NEXT
    named += [plural(rest, "more task")] if rest > 0 else []
    other = f" (others: {', '.join(named)})" if named else " (the only candidate)"
    by = f"{binding.measure} on {plural(binding.num_samples, 'validation image')}"
    return f"{bound}{drawn}, conflict {binding.candidates[bound]:.3f}{other}; {by}"


def _grown(binding: Binding) -> str:
    names = ", ".join(binding.fated(Fate.GROWN)) or "nothing"
    shares = [layer.share for layer in binding.layers if layer.fate is Fate.GROWN]
    mass = sum(share for share in shares if share is not None)
    told = f"; {percent(mass)} % of the conflict" if any(layer.share for layer in binding.layers) else ""
    if binding.options.get("grow") == "random":
        return f"{names}{told}, drawn at random"
    delta = binding.options.get("delta")
    return f"{names}{told}" + (f", δ = {delta}" if delta is not None else "")


def _worth(worth: Worth) -> list[tuple[str, str]]:
    changes = f"; changed by {changes_text(worth.changes)}" if worth.changes else ""
    tests = f"test {percent(worth.first_test)} → {percent(worth.now_test)} %"
    rows = [("since then", f"validation {percent(worth.first)} → {percent(worth.now)} %{changes}")]
    if worth.gain is not None:
        gain = f"{signed(worth.gain)} % of the independent net's validation error"
        rows.insert(0, ("gain", f"{gain} (the paper's Δ: {signed(-worth.gain)} %)"))
    if worth.forgotten is not None:
        rows.append(("forgotten", f"{signed(worth.forgotten)} points: {tests}"))
    return rows


def changes_text(changes: Sequence[Change]) -> str:
    """The largest changes by other tasks' training, in percentage points of validation accuracy."""
    largest = sorted(changes, key=lambda change: -abs(change.difference))
    shown = [f"{change.by} {signed(change.difference)}" for change in largest[:_MOST_CHANGES]]
    rest = len(changes) - _MOST_CHANGES
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def _layers(binding: Binding) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("layer", "conflict", "share %", "what became of it"):
        table.add_column(heading, justify="right" if heading in ("conflict", "share %") else "left")
    for layer in binding.layers:
        conflict = MISSING if layer.conflict is None else f"{layer.conflict:.3f}"
        table.add_row(layer.slot, conflict, percent(layer.share), _became(layer, binding.options))
    return table


def _became(layer: Layer, options: Options) -> str:
    rate = options.get("shared_lr_scale")
    slowly = "more slowly" if rate is None else f"at {rate} of the learning rate"
    texts = {
        Fate.GROWN: "grown: a copy of its own",
        Fate.TUNED: f"shared, trained {slowly}",
        Fate.FROZEN: "shared, frozen",
    }
    return texts[layer.fate]
