"""Sources by their text `name:argument`, for those that are made of others: `permuted`, `split`, `joined`."""

from __future__ import annotations

from collections.abc import Callable

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.base import AbstractSource, RawData
from taskgrove.tasks.checks import as_raw, as_split

Find = Callable[[str], tuple[AbstractSource, str]]
"""From `name:argument` to the source and the argument; see `taskgrove.tasks.sources.parse_source`."""


def normalised(text: str, find: Find) -> str:
    """The text as a specification records it: paths absolute, options spelled out."""
    plugin, argument = find(text)
    return f"{plugin.name}:{plugin.normalise(argument)}"


def loaded(text: str, find: Find) -> RawData:
    """All that the source holds, checked.

    Raises:
        TaskDataError: The data is missing, damaged or of the wrong form.
    """
    plugin, argument = find(text)
    raw = plugin.load(argument)
    checked = {name: as_split(s.pixels, s.labels, name, s.columns) for name, s in raw.splits.items()}
    return as_raw(checked, raw.class_names, text)


def inner_of(argument: str, form: str) -> tuple[str, str]:
    """The inner source and what stands behind the last colon, since the source may hold colons itself.

    Args:
        argument: `<source>:<argument>:<choice>`.
        form: What the whole text should look like, with an example, for the message.

    Raises:
        TaskDataError: One of them is missing, or the source is `arrays`, whose data only a store has.

    Example:
        >>> inner_of("npz:C:/mnist.npz:3", "permuted:<source>:<number>")
        ('npz:C:/mnist.npz', '3')
    """
    inner, _, choice = argument.rpartition(":")
    if ":" not in inner or not choice:
        raise TaskDataError(f"{argument!r} does not name a source and a choice; write {form}.")
    refuse_arrays(inner)
    return inner, choice


def refuse_arrays(inner: str) -> None:
    """Refuse the source `arrays`, whose data only a store has."""
    if inner.startswith("arrays:"):
        raise TaskDataError(
            "Arrays are given in Python, and no other source can be made of them here. Change them before "
            "they are given: taskgrove.arrays(changed_x, y)."
        )
