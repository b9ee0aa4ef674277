"""Jobs one after the other in the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar, final

from taskgrove.coordinator.base import AbstractExecutor

P = ParamSpec("P")
R = TypeVar("R")


@final
class InlineExecutor(AbstractExecutor):
    """Runs each call when it is submitted: exact, and easy to debug."""

    name = "inline"
    summary = "one job after the other in this process"

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        pass
