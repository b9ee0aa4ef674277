"""A suite as frozen data: tasks with their data sets, splits and classes, not yet bound to any source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from taskgrove.experiment.spec import check_name

TFDS = "tfds:{data_set}{version}?label={label}"
"""Where data are when neither the suite nor the experiment says: prepared by TensorFlow Datasets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteTask:
    """A task of a suite.

    Attributes:
        name: As in `TaskEntry`.
        data_set: As TensorFlow Datasets names it, with its configuration; None for data of our own.
        version: Of the data set, where not any will do.
        label: The feature, or the function of the example, that is learned.
        beside: Other data sets whose splits the task has, too, by what stands before them: `v2` for
            `v2.test`.
        classes: How many.
        train, val, test: Split expressions; None for the source's own.
        allow_overlap: Accept splits that share images, as published.
        source: A template; see `binding`.
        note: What a reader of the papers should know.
    """

    name: str
    data_set: str | None = None
    version: str | None = None
    label: str = "label"
    beside: Mapping[str, str] = field(default_factory=dict)
    classes: int | None = None
    train: str | None = None
    val: str | None = None
    test: str | None = None
    allow_overlap: bool = False
    source: str = TFDS
    note: str = ""

    def __post_init__(self) -> None:
        check_name("a task", self.name)

    def splits(self) -> dict[str, str]:
        """The splits that are spelled out, by role."""
        given = {"train": self.train, "val": self.val, "test": self.test}
        return {role: text for role, text in given.items() if text is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Tasks that belong together.

    Attributes:
        name: As it is registered.
        summary: One line for `taskgrove list suites`.
        tasks: In the order in which they arrive.
        parts: The suites that it is composed of, if it is.
    """

    name: str
    summary: str
    tasks: tuple[SuiteTask, ...]
    parts: tuple[str, ...] = ()
