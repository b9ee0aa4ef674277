"""Which of a source's images train a task, choose its models and test them; refuses what would mislead."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.base import RawData, Split, TaskData
from taskgrove.tasks.splits import Selection, select, shared, take

ROLES = ("train", "val", "test")


def resolve_splits(raw: RawData, splits: Mapping[str, str] | None = None) -> dict[str, str]:
    """A split expression for each of train, val and test.

    Args:
        raw: What the source holds.
        splits: Expression by role; a role left out is the source's split of that name. None for
            the default of `default_splits`.

    Raises:
        UnknownNameError: A role other than train, val and test.
        TaskDataError: A role is left out and the source has no split for it.
    """
    if not splits:
        return default_splits(raw)
    for role in splits:
        if role not in ROLES:
            raise UnknownNameError.of("role of a split", role, ROLES)
    resolved = {**own_splits(raw), **splits}
    missing = [role for role in ROLES if role not in resolved]
    if missing:
        raise TaskDataError(
            f"No split is given for {' and '.join(missing)}, and the source has none of that name "
            f"but {sorted(raw.splits)}. Give all three, for example {default_splits(raw)}."
        )
    return {role: resolved[role] for role in ROLES}


def default_splits(raw: RawData) -> dict[str, str]:
    """Split expression by role when nothing was asked for.

    The source's own train, val (or validation) and test are used; a missing one is a stratified
    tenth of the training images, which are those of `train`, else of `all`.

    Raises:
        TaskDataError: The source has neither `train` nor `all`.
    """
    base = next((name for name in ("train", "all") if name in raw.splits), None)
    if base is None:
        raise TaskDataError(
            f"The source has no split called 'train' or 'all' but {sorted(raw.splits)}; "
            "say which images are train, val and test."
        )
    found = own_splits(raw) if base == "train" else {}
    missing = [role for role in ("val", "test") if role not in found]
    tenths = {role: f"{base}[stratified {i * 10}%:{i * 10 + 10}%]" for i, role in enumerate(missing)}
    train = f"{base}[stratified {len(missing) * 10}%:]" if missing else base
    return {**found, **tenths, "train": train}


def own_splits(raw: RawData) -> dict[str, str]:
    """The source's split by role, where it has one for the role."""
    names = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
    found = {role: [name for name in names[role] if name in raw.splits] for role in ROLES}
    return {role: known[0] for role, known in found.items() if known}


def cut_task(raw: RawData, splits: Mapping[str, str], *, allow_overlap: bool = False) -> TaskData:
    """The task that the expressions cut from a source's images.

    Args:
        raw: What the source holds.
        splits: Expression for each role.
        allow_overlap: Accept splits that share images, which a published experiment may have done.

    Raises:
        TaskDataError: Roles share images, or train has a single class or none of another role's.
    """
    chosen = {role: select(raw, splits[role]) for role in ROLES}
    if not allow_overlap:
        _refuse_overlap(raw, chosen)
    cut = {role: take(raw, selection) for role, selection in chosen.items()}
    _refuse_unlearnable(cut, splits, ", ".join(raw.splits))
    return TaskData(train=cut["train"], val=cut["val"], test=cut["test"], class_names=raw.class_names)


def _refuse_overlap(raw: RawData, chosen: Mapping[str, Selection]) -> None:
    for one, other in combinations(ROLES, 2):
        if num_shared := shared(raw, chosen[one], chosen[other]):
            raise TaskDataError(
                f"{one} = {chosen[one].expression!r} and {other} = {chosen[other].expression!r} share "
                f"{num_shared} images, so {other} would not measure what was learned but what was memorised. "
                "Cut them apart, as 'train[5%:]' and 'train[:5%]' are; to repeat a published experiment that "
                "did not, allow it: --allow-overlap, in Python allow_overlap=True."
            )


def _refuse_unlearnable(cut: Mapping[str, Split], splits: Mapping[str, str], known: str) -> None:
    classes = np.unique(cut["train"].labels)
    if len(classes) < 2:
        raise TaskDataError(
            f"train = {splits['train']!r} holds images of a single class; there is nothing to tell apart. "
            "If the data is sorted by class, cut with 'train[stratified 10%:]'."
        )
    for role in ROLES[1:]:
        if not np.isin(cut[role].labels, classes).any():
            raise TaskDataError(
                f"No image of {role} = {splits[role]!r} is of a class in train = {splits['train']!r}, so "
                "none could be recognised. Cut both from a split that holds all classes, with 'stratified' "
                f"if it is sorted by class; the source has {known}."
            )
