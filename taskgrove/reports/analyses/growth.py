"""Moments of a growing system: its views after the commits that changed a published model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import Commit
from taskgrove.domain.view import SystemView
from taskgrove.store.state import State, apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The system after a commit.

    Attributes:
        view: Of the system.
        changed: Tasks whose published model is another one than at the moment before.
    """

    view: SystemView
    changed: tuple[TaskName, ...]

    @property
    def mean_quality(self) -> float | None:
        """Mean validation accuracy of the published models, in [0, 1]; None without any."""
        qualities = [self.view.models[best].quality for best in self.view.bests.values()]
        return fmean(qualities) if qualities else None


def moments(history: Iterable[Commit], view: SystemView) -> tuple[Moment, ...]:
    """The moments at which published models changed.

    Args:
        history: The log from its start; where it is empty, only the newest view is a moment.
        view: The newest.
    """
    state, changes = State(), []
    for commit in history:
        before = state.view.bests
        state = apply(state, commit)
        if state.view.bests != before:
            changes.append(state.view)
    return _moments(changes or ([view] if view.bests else []))


def spread(found: Sequence[Moment], most: int) -> tuple[Moment, ...]:
    """At most so many of the moments, at least 2, spread evenly, the first and the last among them."""
    if len(found) <= most:
        return tuple(found)
    return _moments([found[round(index * (len(found) - 1) / (most - 1))].view for index in range(most)])


def _moments(views: Sequence[SystemView]) -> tuple[Moment, ...]:
    earlier = (SystemView(), *views)
    return tuple(
        Moment(view=new, changed=_changed(old, new)) for old, new in zip(earlier, views, strict=False)
    )


def _changed(old: SystemView, new: SystemView) -> tuple[TaskName, ...]:
    return tuple(task for task, best in new.bests.items() if old.bests.get(task) != best)
