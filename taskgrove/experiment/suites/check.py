"""Tasks of suites held against what is known of their data sets, without any data."""

from __future__ import annotations

from collections.abc import Mapping

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.experiment.suites.data_sets import DataSet, data_sets
from taskgrove.experiment.suites.suite import SuiteTask
from taskgrove.experiment.tables import located
from taskgrove.tasks.expressions import Part, Slice, parse
from taskgrove.tasks.roles import ROLES


def check_task(task: SuiteTask) -> None:
    """Refuse a task that its data set cannot give.

    Raises:
        UnknownNameError: A data set, label or split that is not known; with the nearest known one.
        BadValueError: Another number of classes, a split that is left out, a slice beyond what there is.
        TaskDataError: A split expression that cannot be read.
    """
    parts = {role: parse(text) for role, text in task.splits().items()}
    if task.data_set is None:
        if task.version is not None or task.beside:
            raise BadValueError("version and beside mean nothing without a data_set; name one.")
        return
    found = _found(task.data_set)
    _check_classes(task, found)
    if missing := [role for role in ROLES if role not in parts]:
        raise BadValueError(
            f"{' and '.join(missing)} is left out; a task of a data set says all three splits."
        )
    sizes = found.sizes()
    for prefix, name in task.beside.items():
        sizes |= {f"{prefix}.{split}": size for split, size in _found(name).sizes().items()}
    for role, joined in parts.items():
        with located(role):
            for part in joined:
                _check_part(part, sizes, task.data_set)


def _found(name: str) -> DataSet:
    known = data_sets()
    if name not in known:
        raise UnknownNameError.of("data set", name, known)
    return known[name]


def _check_classes(task: SuiteTask, found: DataSet) -> None:
    if task.label not in found.classes:
        raise UnknownNameError.of(f"label of {task.data_set}", task.label, found.classes)
    if task.classes != found.classes[task.label]:
        raise BadValueError(
            f"classes is {task.classes}, but the label {task.label!r} of {task.data_set} has "
            f"{found.classes[task.label]}. Correct the number, or choose another label."
        )


def _check_part(part: Part, sizes: Mapping[str, int | None], data_set: str) -> None:
    if part.split not in sizes:
        raise UnknownNameError.of(f"split of {data_set}", part.split, sizes)
    size = sizes[part.split]
    if size is None or not part.brackets or not isinstance(part.brackets[0], Slice):
        return
    first = part.brackets[0]
    chosen = first.within(size)
    if first.farthest() > size or chosen.start >= chosen.stop:
        raise BadValueError(
            f"[{first.start or ''}:{first.stop or ''}] of {part.split} goes beyond its {size:,} images or "
            f"names none of them. Correct the slice; or is it of another split or version of {data_set}?"
        )
