"""Who is told how far the reading of files has come: nobody, unless a program shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many files are done, and of how many."""


def _silent(what: str, done: int, total: int) -> None:
    """Nobody is listening."""


# Sources are plug-ins, called far below what shows progress; their signature stays free of it.
_LISTENER: ContextVar[Progress] = ContextVar("progress of reading files", default=_silent)


@contextmanager
def progress_told_to(listener: Progress) -> Iterator[None]:
    """Tell `listener` of files that are read inside the block, by this thread."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def tell_progress(what: str, done: int, total: int) -> None:
    """Say how far the reading of files has come; for sources."""
    _LISTENER.get()(what, done, total)
