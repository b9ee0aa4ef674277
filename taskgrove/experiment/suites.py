"""Named lists of tasks that can be added at once."""

from __future__ import annotations

from dataclasses import dataclass

from taskgrove.domain.registry import Registry
from taskgrove.experiment.spec import TaskEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Tasks that belong together.

    Attributes:
        summary: One line for `taskgrove list suites`.
        tasks: In the order in which they arrive.
    """

    summary: str
    tasks: tuple[TaskEntry, ...]


_SCRIPTS = (
    "latin_lower",
    "latin_upper",
    "digits",
    "greek",
    "cyrillic_lower",
    "hebrew",
    "armenian_lower",
    "georgian",
)

SUITES: Registry[Suite] = Registry(
    "suite",
    "taskgrove.suites",
    {
        "glyphs8": Suite(
            summary="characters of eight scripts, drawn from fonts; test fonts are unseen",
            tasks=tuple(TaskEntry(name=script, source=f"glyphs:{script}") for script in _SCRIPTS),
        ),
    },
)
