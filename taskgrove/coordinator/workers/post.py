"""What code that runs in a worker knows of its place there."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A place among the workers of an executor.

    Attributes:
        number: Of the worker, from 0; a process that takes a dead worker's place takes its number.
        tell: Sends a picklable message to who listens to the executor.
    """

    number: int
    tell: Callable[[object], None]


_POST: ContextVar[Post | None] = ContextVar("post", default=None)


def post() -> Post | None:
    """The post of the worker that this code runs in; None outside of workers."""
    return _POST.get()


def take(post: Post) -> None:
    """Begin to work; called once, by the worker itself."""
    _POST.set(post)
