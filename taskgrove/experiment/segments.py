"""Experiments as lists of segments over one living system (µ2Net+, §5), read from one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from taskgrove.domain.errors import BadValueError, DuplicateNameError, UnknownNameError
from taskgrove.experiment.decode import SEGMENTS, experiment_of, refuse_variants
from taskgrove.experiment.spec import ExperimentSpec, TaskEntry
from taskgrove.experiment.tables import decode, expect, located, read_table

REPLACED = ("agent", "score", "space", "budget", "limits", "train", "defaults", "groups")
"""Tables that a segment replaces as a whole when it names them."""
ARRIVING = ("suite", "sources", "tasks")
"""What a segment adds to the tasks so far, and where the data of its own suite are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    """What a segment says about itself.

    Attributes:
        name: Unique in the file.
        only: The tasks it works on, of all tasks so far; empty for all.
    """

    name: str
    only: tuple[str, ...] = ()


def read_segments(path: Path) -> tuple[ExperimentSpec, ...]:
    """The experiments that a TOML file describes, in the order in which they are carried out.

    Each segment is an experiment named `<experiment>.<segment>`; a file without segments is one
    experiment, as `read_experiment` gives it.

    Raises:
        BadValueError: The file is missing, is not TOML, a value is wrong, or it has variants.
        UnknownNameError: A key is unknown, or `only` names a task that has not arrived.
        DuplicateNameError: Two segments, or two tasks, have the same name.
    """
    table = read_table(path)
    with located(str(path)):
        refuse_variants(table)
        return segments_of(table)


def segments_of(table: Mapping[str, Any]) -> tuple[ExperimentSpec, ...]:
    """The experiments of a file's table; raises what `read_segments` raises."""
    base = {key: value for key, value in table.items() if key != SEGMENTS}
    whole = experiment_of(base)
    entries = expect(table.get(SEGMENTS, []), list, SEGMENTS)
    tasks, specs = whole.tasks, list[ExperimentSpec]()
    for i, entry in enumerate(entries):
        segment = _segment(expect(entry, dict, f"{SEGMENTS}[{i}]"), f"{SEGMENTS}[{i}]")
        with located(f"segment {segment.name!r}"):
            spec = _replaced(base, entry, f"{whole.name}.{segment.name}")
            tasks = _joined(tasks, spec.tasks, bool(specs))
            specs.append(replace(spec, tasks=_chosen(tasks, segment.only)))
    refuse_repeated("segments", (spec.name.removeprefix(f"{whole.name}.") for spec in specs))
    return tuple(specs) or (whole,)


def refuse_repeated(what: str, names: Iterable[str]) -> None:
    """Refuse names that are not unique."""
    seen = list(names)
    repeated = sorted({name for name in seen if seen.count(name) > 1})
    if repeated:
        raise DuplicateNameError(f"{what}: {', '.join(repeated)} is named more than once.")


def _segment(entry: Mapping[str, Any], place: str) -> _Segment:
    known = ("name", "only", *REPLACED, *ARRIVING)
    for key in entry:
        if key not in known:
            raise UnknownNameError.of(f"setting in {place}", key, known)
    if entry.get("only") == []:
        raise BadValueError(f"{place}.only is empty: no task to work on. Leave it out for all tasks so far.")
    return decode(_Segment, {k: v for k, v in entry.items() if k in ("name", "only")}, place)


def _replaced(base: Mapping[str, Any], entry: Mapping[str, Any], name: str) -> ExperimentSpec:
    """The segment's experiment with only the tasks that arrive with it."""
    kept = {key: value for key, value in base.items() if key not in ARRIVING}
    changed = {key: value for key, value in entry.items() if key in (*REPLACED, *ARRIVING)}
    return experiment_of({**kept, **changed, "name": name})


def _joined(
    before: tuple[TaskEntry, ...], arriving: tuple[TaskEntry, ...], begun: bool
) -> tuple[TaskEntry, ...]:
    if arriving and begun and not before:
        raise BadValueError(
            "Tasks arrive here, but the segments before work on whatever tasks the system has. Name all "
            "tasks in the file, from the first segment on."
        )
    refuse_repeated("tasks", (task.name for task in (*before, *arriving)))
    return (*before, *arriving)


def _chosen(tasks: tuple[TaskEntry, ...], only: tuple[str, ...]) -> tuple[TaskEntry, ...]:
    if not only:
        return tasks
    by_name = {task.name: task for task in tasks}
    refuse_repeated("only", only)
    for name in only:
        if name not in by_name:
            raise UnknownNameError.of("task so far", name, by_name)
    return tuple(by_name[name] for name in only)
