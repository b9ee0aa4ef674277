"""`split:<source>:<group>/<groups>`: some of a source's classes, as in split CIFAR-100 (004, §4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.base import AbstractSource, RawData, Split
from taskgrove.tasks.mapped import Index
from taskgrove.tasks.named import Find, inner_of, loaded, normalised
from taskgrove.tasks.splits import subset

_FORM = "split:<source>:<group>/<groups>, as in split:npz:cifar100.npz:0/10 for the first of ten groups"
_CHOICE = re.compile(r"(\d{1,9})/([1-9]\d{0,8})", re.ASCII)


@final
@dataclass(frozen=True, slots=True)
class SplitSource(AbstractSource):
    """The images of another source whose classes are in one group of several, with labels from 0.

    Classes are in the order of their labels; groups are counted from 0 and differ by at most one class
    in size. Images in files stay there.

    Args:
        find: Finds the other source.
    """

    name: ClassVar[str] = "split"
    summary: ClassVar[str] = "split:source:group/groups, one group of any source's classes, counted from 0"

    find: Find

    def normalise(self, argument: str) -> str:
        inner, group, groups = _parse(argument)
        return f"{normalised(inner, self.find)}:{group}/{groups}"

    def load(self, argument: str) -> RawData:
        inner, group, groups = _parse(argument)
        raw = loaded(inner, self.find)
        classes = _classes(len(raw.class_names), group, groups, inner)
        taken = {name: np.flatnonzero(np.isin(s.labels, classes)) for name, s in raw.splits.items()}
        splits = {
            name: _relabelled(subset(raw.splits[name], index), int(classes[0]))
            for name, index in taken.items()
            if len(index)
        }
        if not splits:
            raise TaskDataError(f"{inner} has no image of group {group} of {groups}; choose another group.")
        return RawData(splits=splits, class_names=tuple(raw.class_names[label] for label in classes))

    def missing(self, argument: str) -> str:
        source, inner = self.find(_parse(argument)[0])
        return source.missing(inner)


def _parse(argument: str) -> tuple[str, int, int]:
    inner, choice = inner_of(argument, _FORM)
    match = _CHOICE.fullmatch(choice)
    if match is None:
        raise TaskDataError(f"{choice!r} does not choose a group of classes; write {_FORM}.")
    group, groups = int(match[1]), int(match[2])
    if group >= groups:
        raise TaskDataError(
            f"There is no group {group} of {groups}: groups are counted from 0, so the last is {groups - 1}. "
            f"Write {_FORM}."
        )
    return inner, group, groups


def _classes(num_classes: int, group: int, groups: int, inner: str) -> Index:
    """The labels of a group, which are consecutive."""
    if 2 * groups > num_classes:
        raise TaskDataError(
            f"{inner} has {num_classes} classes, too few for {groups} groups of at least two. Choose at most "
            f"{num_classes // 2} groups."
        )
    return np.flatnonzero(np.arange(num_classes) * groups // num_classes == group)


def _relabelled(split: Split, first: int) -> Split:
    return Split(images=split.pixels, labels=split.labels - first, columns=split.columns)
