"""Where the data of a suite's tasks are on this machine: from templates to sources.

A template is a source with placeholders: `{name}` of the task, its `{data_set}` and `{label}`, and the
`{version}` of the data set with a colon before it, or nothing where any will do. Environment variables stay
as they are until the source is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.experiment.spec import TaskEntry
from taskgrove.experiment.suites.suite import Suite, SuiteTask

DEFAULT = "default"
"""The key of the template of all tasks that have none of their own."""
_PLACEHOLDER = re.compile(r"(?<!\$)\{(\w*)\}")


def bound_tasks(suite: Suite, sources: Mapping[str, str] | None = None) -> tuple[TaskEntry, ...]:
    """The suite's tasks with their sources.

    Args:
        suite: See `reading.suite_of`.
        sources: A template by task, or by `default` for all others; tasks that neither names are where the
            suite says, else where TensorFlow Datasets puts them.

    Raises:
        UnknownNameError: A task or a placeholder that does not exist.
        BadValueError: A template names the data set, and the task has none.
    """
    given = sources or {}
    known = [DEFAULT, *(task.name for task in suite.tasks)]
    for name in given:
        if name not in known:
            raise UnknownNameError.of(f"task of the suite {suite.name}", name, known)
    return tuple(_bound(task, given) for task in suite.tasks)


def _bound(task: SuiteTask, sources: Mapping[str, str]) -> TaskEntry:
    return TaskEntry(
        name=task.name,
        source=_source(task, sources),
        train=task.train,
        val=task.val,
        test=task.test,
        allow_overlap=task.allow_overlap,
        classes=task.classes,
    )


def _source(task: SuiteTask, sources: Mapping[str, str]) -> str:
    """The task's own template names all of its data; any other template is filled in for each data set."""
    if task.name in sources or not task.beside:
        return _filled(sources.get(task.name) or sources.get(DEFAULT) or task.source, _values(task))
    template = sources.get(DEFAULT) or task.source
    others = (
        f"{prefix}={_filled(template, _beside(data_set, task.label))}"
        for prefix, data_set in task.beside.items()
    )
    return ";".join((f"joined:{_filled(template, _values(task))}", *others))


def _values(task: SuiteTask) -> dict[str, str | None]:
    version = "" if task.version is None else f":{task.version}"
    return {"name": task.name, "data_set": task.data_set, "version": version, "label": task.label}


def _beside(data_set: str, label: str) -> dict[str, str | None]:
    """A data set that lends its splits has no task, so its name is made of its own."""
    return {"name": data_set.replace("/", "_"), "data_set": data_set, "version": "", "label": label}


def _filled(template: str, values: Mapping[str, str | None]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise UnknownNameError.of(f"placeholder in {template!r}", match[1], values)
        found = values[match[1]]
        if found is None:
            raise BadValueError(
                f"{template!r} names the data set, but task {values['name']!r} has none in the catalogue of "
                "TensorFlow Datasets; write {name} instead, or name its source by itself."
            )
        return found

    return _PLACEHOLDER.sub(value, template)
