"""Arguments of sources: a head with options behind it, as in `greek?size=32&seed=1`."""

from __future__ import annotations

import os
from collections.abc import Mapping

from taskgrove.domain.errors import TaskDataError, UnknownNameError


def split_options(argument: str, defaults: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The head of an argument, and every option with its value or default.

    Args:
        argument: `head` or `head?option=value&option=value`.
        defaults: Value by option that the source knows.

    Raises:
        UnknownNameError: An option that the source does not know.
        TaskDataError: An option without a value.

    Example:
        >>> split_options("greek?size=48", {"size": "32", "seed": "0"})
        ('greek', {'size': '48', 'seed': '0'})
    """
    head, _, tail = argument.partition("?")
    options = dict(defaults)
    for item in tail.split("&") if tail else []:
        name, _, value = item.partition("=")
        if name not in defaults:
            raise UnknownNameError.of("option", name, defaults)
        if not value:
            raise TaskDataError(
                f"The option {name!r} has no value; write {name}=<value>, as in {name}={defaults[name]}."
            )
        options[name] = value
    return head, options


def join_options(head: str, options: Mapping[str, str]) -> str:
    """The argument with every option spelled out; the reverse of `split_options`."""
    return head + "?" + "&".join(f"{name}={options[name]}" for name in sorted(options))


def whole_number(options: Mapping[str, str], name: str, low: int, high: int) -> int:
    """An option as an integer in [low, high].

    Raises:
        TaskDataError: It is not a whole number, or out of range.
    """
    value = options[name]
    if not value.isdecimal() or not low <= int(value) <= high:
        raise TaskDataError(f"The option {name} must be a whole number from {low} to {high}, got {value!r}.")
    return int(value)


def absolute_path(text: str) -> str:
    """The path without `~` or relative parts, so that it means the same from any folder.

    Raises:
        TaskDataError: There is no path.
    """
    if not text:
        raise TaskDataError("A path is missing behind the colon.")
    return os.path.abspath(os.path.expanduser(text))


def missing_path(text: str) -> str:
    """What `AbstractSource.missing` says of a file or folder."""
    path = absolute_path(text)
    return "" if os.path.exists(path) else path
