"""What suites hold, and what of it is on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from taskgrove.experiment.spec import TaskEntry
from taskgrove.experiment.suites.binding import bound_tasks
from taskgrove.experiment.suites.reading import SUITES, suite_of
from taskgrove.experiment.suites.suite import SuiteTask
from taskgrove.experiment.variables import filled, unset
from taskgrove.tasks.sources import parse_source


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedTask:
    """A task of a suite with where its data are.

    Attributes:
        task: As the suite has it.
        entry: As it would be added; environment variables are not filled in.
        missing: What of its data is not here, as far as can be told without reading any; else empty.
    """

    task: SuiteTask
    entry: TaskEntry
    missing: str

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "task": self.task.name,
            "data_set": self.task.data_set,
            "label": self.task.label,
            "classes": self.task.classes,
            "splits": self.task.splits(),
            "source": self.entry.source,
            "missing": self.missing,
            "note": self.task.note,
        }


def summaries() -> dict[str, str]:
    """One line for each suite, with the number of its tasks."""
    suites = {name: suite_of(name) for name in SUITES}
    return {name: f"{len(suite.tasks)} tasks: {suite.summary}" for name, suite in suites.items()}


def placed_tasks(name: str, sources: Mapping[str, str] | None = None) -> tuple[PlacedTask, ...]:
    """The tasks of a suite, each with where its data are.

    Args:
        name: Of the suite.
        sources: See `binding.bound_tasks`.

    Raises:
        UnknownNameError: There is no such suite, task, placeholder or source.
        TaskDataError: A source is not one.
    """
    suite = suite_of(name)
    entries = bound_tasks(suite, sources)
    return tuple(
        PlacedTask(task=task, entry=entry, missing=_missing(entry.source))
        for task, entry in zip(suite.tasks, entries, strict=True)
    )


def _missing(source: str) -> str:
    if variables := unset(source):
        return f"the environment variable {', '.join(variables)}"
    plugin, argument = parse_source(filled(source))
    return plugin.missing(argument)
