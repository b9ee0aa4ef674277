"""What became of every child of a search, and where two searches part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.page import Row
from taskgrove.domain.records import FinishChild
from taskgrove.experiment.grove import Grove

Place = tuple[str, int, int, int]
"""Task, iteration, generation, child."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a child; `quality` is -1 when its training failed."""

    place: Place
    quality: float
    accepted: bool
    mutations: Mapping[str, float]


def fates(grove: Grove) -> tuple[Fate, ...]:
    """Of all children, in the order of the log."""
    operations = (commit.operation for commit in grove.store.history())
    return tuple(fate_of(operation) for operation in operations if isinstance(operation, FinishChild))


def fate_of(child: FinishChild) -> Fate:
    """What the log says of a child."""
    return Fate(
        place=(str(child.task), child.iteration, child.generation, child.child),
        quality=child.result.quality if child.result else -1.0,
        accepted=child.model is not None,
        mutations=child.mutations,
    )


def outline(left: Iterable[Fate], right: Iterable[Fate]) -> Row:
    """How many children have the same fate, and how much qualities differ where the child is the same."""
    pairs = paired(left, right)
    alike = [(a, b) for a, b in pairs if a.mutations == b.mutations]
    parted = next((i for i, (a, b) in enumerate(pairs, 1) if a.accepted != b.accepted), None)
    before = pairs[: (parted or 1 + len(pairs)) - 1]
    return {
        "children": len(pairs),
        "same mutations": len(alike),
        "same decision": sum(a.accepted == b.accepted for a, b in pairs),
        "same quality": sum(a.quality == b.quality for a, b in pairs),
        "first differing decision": "none" if parted is None else f"child {parted}",
        "largest difference before, points": 100
        * max((abs(a.quality - b.quality) for a, b in before if a.mutations == b.mutations), default=0.0),
    }


def fates_that_differ(left: Iterable[Fate], right: Iterable[Fate]) -> list[Row]:
    """The children that only one search accepted, with both qualities."""
    return [
        {
            "child": "{} iteration {} generation {} child {}".format(*a.place),
            "first way %": 100 * a.quality,
            "this way %": 100 * b.quality,
            "accepted by": "the first" if a.accepted else "this",
            "same mutations": "yes" if a.mutations == b.mutations else "no: the searches have parted",
        }
        for a, b in paired(left, right)
        if a.accepted != b.accepted
    ]


def paired(left: Iterable[Fate], right: Iterable[Fate]) -> list[tuple[Fate, Fate]]:
    """The children of two searches at the same places."""
    others = {fate.place: fate for fate in right}
    return [(fate, others[fate.place]) for fate in left if fate.place in others]
