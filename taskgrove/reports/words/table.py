"""One row per task and the system's totals, for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from taskgrove.reports.analyses.tasks import TaskRow, Totals
from taskgrove.reports.quantities import human, percent

HEADINGS = ("task", "classes", "val %", "test %", "params", "accounted", "FLOPs", "layers", "iter.", "shares")
_MOST_SHARED = 2


def as_markdown(rows: Sequence[TaskRow], total: Totals) -> str:
    """A Markdown table with the totals as its last row."""
    lines = [HEADINGS, ("---", *("---:" for _ in HEADINGS[2:]), "---")]
    cells = [_cells(row) for row in rows]
    lines += [*cells, tuple(f"**{cell}**" if cell else "" for cell in _total_cells(total))]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_rich(rows: Sequence[TaskRow], total: Totals) -> Table:
    """A table for a terminal of 100 columns or more."""
    table = Table(box=SIMPLE_HEAD, show_footer=True, padding=(0, 1, 0, 0), pad_edge=False)
    for heading, footer in zip(HEADINGS, _total_cells(total), strict=True):
        text = heading in {"task", "shares"}
        table.add_column(
            heading,
            footer,
            justify="left" if text else "right",
            no_wrap=heading != "shares",
            overflow="ellipsis" if heading == "task" else "fold",
            max_width=24 if text else None,
        )
    for row in rows:
        table.add_row(*_cells(row))
    return table


def as_json(rows: Sequence[TaskRow], total: Totals) -> dict[str, object]:
    """Rows and totals as plain values, numbers unrounded."""
    return {"tasks": msgspec.to_builtins(rows), "totals": msgspec.to_builtins(total)}


def sharing_sentence(total: Totals) -> str:
    """Distinct parameters against those of one separate model per task."""
    text = f"{human(total.distinct_params)} distinct, roots included"
    if not total.separate_params:
        return text
    saved = 1 - total.distinct_params / total.separate_params
    less = f"{abs(100 * saved):.0f} % {'fewer' if saved >= 0 else 'more'}"
    return f"{text}: {less} than {human(total.separate_params)} in separate models"


def bytes_sentence(total: Totals) -> str:
    """Bytes that are stored against those of one file per task."""
    text = f"{human(total.distinct_bytes, 'B')} of weights, roots included"
    if total.sharing_ratio is not None:
        separate = human(total.separate_bytes, "B")
        text += f"; one file per task would take {separate}, {total.sharing_ratio:.2f} times as much"
    return f"{text}; {human(total.momentum_bytes, 'B')} of momentum" if total.momentum_bytes else text


def _cells(row: TaskRow) -> tuple[str, ...]:
    return (
        row.task,
        str(row.num_classes),
        percent(row.val_accuracy),
        percent(row.test_accuracy),
        human(row.num_params),
        human(row.accounted_params),
        human(row.flops),
        human(row.num_layers),
        str(row.iterations),
        _sharing(row),
    )


def _total_cells(total: Totals) -> tuple[str, ...]:
    return (
        f"{total.num_models} of {total.num_tasks}",
        "",
        percent(total.mean_val_accuracy),
        percent(total.mean_test_accuracy),
        human(total.distinct_params),
        human(total.accounted_params),
        human(total.mean_flops),
        "",
        "",
        "",
    )


def _sharing(row: TaskRow) -> str:
    named = [f"{task} {count}" for task, count in list(row.shared_with.items())[:_MOST_SHARED]]
    roots = [f"root {row.shared_with_roots}"] if row.shared_with_roots else []
    rest = len(row.shared_with) - len(named)
    return ", ".join([*roots, *named, *([f"+{rest} tasks"] if rest else [])])
