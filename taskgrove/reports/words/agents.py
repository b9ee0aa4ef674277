"""Who is at work in a system, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from rich.box import SIMPLE_HEAD
from rich.table import Table

from taskgrove.domain.ids import TaskName
from taskgrove.reports.quantities import duration
from taskgrove.store.presence import Presence
from taskgrove.store.state import Claimed

HEADINGS = ("agent", "tasks", "method", "device", "since", "children", "per hour", "last seen", "doing")


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """One process that says, or once said, that it is at work.

    Attributes:
        note: Its note of life.
        age_s, silent_s: Seconds since it began, and since it was last heard of.
        alive: Whether it has been heard of lately.
        fenced: Tasks that somebody else has claimed since; it will be refused.
    """

    note: Presence
    age_s: float
    silent_s: float
    alive: bool
    fenced: tuple[str, ...]


def at_work(notes: Sequence[Presence], claims: Mapping[TaskName, Claimed], now: float) -> tuple[AtWork, ...]:
    """What the notes mean at a time.

    Args:
        notes: As found in the store.
        claims: Of the state at the head of the log.
        now: Seconds since the epoch.
    """
    return tuple(
        AtWork(
            note=note,
            age_s=max(0.0, now - note.began),
            silent_s=max(0.0, now - note.seen),
            alive=note.alive(now),
            fenced=tuple(
                task
                for task in note.tasks
                if (held := claims.get(TaskName(task))) is not None
                and held.holder != note.holder
                and note.claims
            ),
        )
        for note in notes
    )


def as_rich(rows: Sequence[AtWork]) -> Table | str:
    """A table for a terminal."""
    if not rows:
        return "Nobody is at work, or nobody has said so."
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in HEADINGS[:-1]:
        table.add_column(heading, justify="right" if heading in ("children", "per hour") else "left")
    table.add_column(HEADINGS[-1], overflow="fold")
    for row in rows:
        note = row.note
        state = f"{duration(row.silent_s)} ago" if row.alive else f"lost {duration(row.silent_s)} ago"
        table.add_row(
            note.holder,
            ", ".join(note.tasks),
            note.method,
            note.device,
            duration(row.age_s),
            f"{note.children:,}",
            f"{note.children_per_hour:,.0f}",
            state + (f", no longer holds {', '.join(row.fenced)}" if row.fenced else ""),
            note.doing,
            style="" if row.alive else "dim",
        )
    return table


def as_json(rows: Sequence[AtWork]) -> list[dict[str, object]]:
    """The same, exactly."""
    return [
        {
            **msgspec.to_builtins(row.note),
            "children_per_hour": row.note.children_per_hour,
            "age_s": row.age_s,
            "silent_s": row.silent_s,
            "alive": row.alive,
            "fenced": list(row.fenced),
        }
        for row in rows
    ]
