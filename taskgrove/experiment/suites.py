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

_DATA = "npz:${TASKGROVE_DATA}"
_CMATERDB = ("bangla", "devanagari", "telugu")
_OMNIGLOT = TaskEntry(
    name="omniglot",
    source=f"{_DATA}/omniglot.npz",
    train="all[drawer=1..16]",
    val="all[drawer=17..18]",
    test="all[drawer=19..20]",
)
_OMNIGLOT_AS_PUBLISHED = TaskEntry(
    name="omniglot_published_split",
    source=f"{_DATA}/omniglot.npz",
    train="train",
    val="small1",
    test="small2",
    allow_overlap=True,
)
_CHAR7 = (
    *(
        TaskEntry(
            name=name,
            source=f"{_DATA}/{name}.npz",
            train="train[5%:]",
            val="train[:5%]",
            test="test",
        )
        for name in ("mnist", "kmnist")
    ),
    TaskEntry(
        name="emnist_digits",
        source=f"{_DATA}/emnist_digits.npz",
        train="all[stratified :80%]",
        val="all[stratified 80%:85%]",
        test="all[stratified 85%:]",
    ),
    TaskEntry(
        name="arabic_letters",
        source=f"{_DATA}/ahcd_arabic_letters.npz",
        train="train[stratified 10%:]",
        val="train[stratified :10%]",
        test="test",
    ),
    *(
        TaskEntry(
            name=f"cmaterdb_{name}",
            source=f"{_DATA}/cmaterdb_{name}.npz",
            train="train[stratified 20%:]",
            val="train[stratified :20%]",
            test="test",
        )
        for name in _CMATERDB
    ),
)
"""Slices that the papers take in file order are stratified where a file is sorted by class."""

SUITES: Registry[Suite] = Registry(
    "suite",
    "taskgrove.suites",
    {
        "char8": Suite(
            summary="eight handwritten character tasks, a stand-in for 001's MCCB; omniglot by drawer",
            tasks=(*_CHAR7, _OMNIGLOT),
        ),
        "char8_published_splits": Suite(
            summary="char8 with omniglot's published split, whose val and test images are also in train",
            tasks=(*_CHAR7, _OMNIGLOT_AS_PUBLISHED),
        ),
        "glyphs8": Suite(
            summary="characters of eight scripts, drawn from fonts; test fonts are unseen",
            tasks=tuple(TaskEntry(name=script, source=f"glyphs:{script}") for script in _SCRIPTS),
        ),
    },
)
