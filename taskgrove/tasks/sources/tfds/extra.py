"""The optional packages that read files of TensorFlow Datasets."""

from __future__ import annotations

import importlib
from typing import Any

from taskgrove.domain.errors import MissingExtraError


def needed(module: str) -> Any:
    """A module of the extra `tfds`.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"The source tfds needs {module.partition('.')[0]}, which is not installed or does not work here "
            f"({error}); run: pip install 'taskgrove[tfds]'"
        ) from error
