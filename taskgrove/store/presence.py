"""Who is at work in a store: agents leave notes of life there, and renew them while they live.

Notes are advisory: they say what people want to know and decide nothing; claims do.
"""

from __future__ import annotations

import re
from contextlib import suppress

import msgspec

from taskgrove.store.base import AbstractBackend

AGENTS = "agents/"
EVERY_S = 30.0
"""How often a note is renewed."""
_DEAD_AFTER_S = 3 * EVERY_S


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """A note of life.

    Attributes:
        holder: As in claims: host, process and a random part.
        tasks: That it grows.
        experiment, method, device: What it does and where.
        claims: Whether it claimed its tasks.
        began, seen: Seconds since the epoch, by the agent's clock.
        children: Trained since it began.
        doing: The last thing that it did.
    """

    holder: str
    tasks: tuple[str, ...]
    experiment: str
    method: str
    device: str
    claims: bool
    began: float
    seen: float
    children: int = 0
    doing: str = ""

    def alive(self, now: float) -> bool:
        """Whether it has been seen lately (s since the epoch)."""
        return now - self.seen < _DEAD_AFTER_S

    @property
    def children_per_hour(self) -> float:
        """Its throughput since it began; 0 when that was just now."""
        return 3600 * self.children / (self.seen - self.began) if self.seen > self.began else 0.0


def note_key(note: Presence) -> str:
    """Where the note lies."""
    return AGENTS + re.sub(r"[^A-Za-z0-9_-]", "-", note.holder) + ".json"


def present(backend: AbstractBackend) -> list[Presence]:
    """All notes that are in a store, the longest at work first; what cannot be read is left out."""
    notes = []
    for entry in backend.list(AGENTS):
        data = backend.get(entry.key)
        if data is not None:
            with suppress(msgspec.MsgspecError):
                notes.append(msgspec.json.decode(data, type=Presence))
    return sorted(notes, key=lambda note: (note.began, note.holder))
