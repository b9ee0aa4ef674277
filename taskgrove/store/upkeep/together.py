"""Doing many slow things at once, and telling how far they have come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

Told = Callable[[str, int, int], None]
"""(what is being done, how much is done, how much there is)."""


def silent(what: str, done: int, total: int) -> None:
    """Tells nobody."""
    del what, done, total


def together(limit: int, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Results in order, up to `limit` of them worked out at once; at 1 in the caller's own thread."""
    if limit == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(limit) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > limit:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
