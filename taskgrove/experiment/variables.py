"""Environment variables in the places that an experiment names, so that it need not say where data lies."""

from __future__ import annotations

import os
import re

from taskgrove.domain.errors import BadValueError

_VARIABLE = re.compile(r"\$\{(\w+)\}")


def unset(text: str) -> list[str]:
    """The environment variables that the text needs and that are not set."""
    return [name for name in _VARIABLE.findall(text) if name not in os.environ]


def filled(text: str) -> str:
    """The text with every `${NAME}` replaced by the environment variable of that name.

    Raises:
        BadValueError: There is no such variable.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise BadValueError(
                f"{text!r} needs the environment variable {match[1]}, which is not set; "
                f"for example: {match[1]}=/path/to/data taskgrove run …"
            )
        return os.environ[match[1]]

    return _VARIABLE.sub(value, text)
