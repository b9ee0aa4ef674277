"""Jobs on the workers of another library: any `concurrent.futures.Executor`."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future, wait
from functools import partial
from threading import Lock
from typing import Any, ParamSpec, TypeVar, final

from taskgrove.coordinator.base import UNSAID, AbstractExecutor, Hear, Resources
from taskgrove.coordinator.workers.answers import Done, Failed, answer
from taskgrove.domain.errors import BadValueError, EnvironmentFailure

P = ParamSpec("P")
R = TypeVar("R")
_ALONE = Lock()


@final
class FuturesExecutor(AbstractExecutor):
    """Submits to a pool that somebody else has made, and leaves it as it was.

    Dask, loky, Parsl and submitit have such pools; where their workers are, how many, and what becomes of
    a job whose worker dies is up to them. A process of the pool carries out one job at a time, even if it
    has several threads. What jobs tell on their way is not heard.

    Args:
        pool: Whose `submit` runs a call in a process that can import taskgrove and what it is given.
        workers: Jobs that the pool runs at the same time. It gets twice as many, so that nobody waits; with
            0 it gets all there are.
    """

    name = "futures"
    summary = "a pool of Dask, loky, Parsl, submitit …; from Python only"
    parallel = True
    elsewhere = True

    def __init__(self, pool: Executor, workers: int = 0) -> None:
        self._pool = pool
        self._open: dict[Future[Any], Future[bytes]] = {}  # theirs by ours
        if workers:
            self.backlog = 2 * workers

    @classmethod
    def open(cls, workers: int, hear: Hear, resources: Resources = UNSAID) -> FuturesExecutor:  # noqa: ARG003
        raise BadValueError(
            "The executor 'futures' needs a pool, which only Python can give it: "
            "grove.grow(executor=FuturesExecutor(pool)). Elsewhere choose 'processes' or 'ray'."
        )

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        ours: Future[R] = Future()
        try:
            theirs = self._pool.submit(answer_alone, pickle.dumps((fn, args, kwargs)))
        except Exception as error:
            ours.set_exception(error)
        else:
            self._open[ours] = theirs
            theirs.add_done_callback(partial(self._settle, ours))
        return ours

    def shutdown(self) -> None:
        wait(list(self._open))

    def abandon(self) -> None:
        for ours, theirs in list(self._open.items()):
            ours.cancel()
            theirs.cancel()

    def _settle(self, ours: Future[Any], theirs: Future[bytes]) -> None:
        if ours.set_running_or_notify_cancel():
            said = _said(theirs)
            if isinstance(said, Done):
                ours.set_result(said.result)
            else:
                ours.set_exception(said.error)
        self._open.pop(ours, None)


def answer_alone(call: bytes) -> bytes:
    """`answer`, one call at a time in a process: a trainer is not for several threads."""
    with _ALONE:
        return answer(call)


def _said(theirs: Future[bytes]) -> Done | Failed:
    try:
        said: Done | Failed = pickle.loads(theirs.result())
    except CancelledError as error:
        return Failed(error)
    except Exception as error:
        return Failed(_lost(error))
    return said


def _lost(error: Exception) -> EnvironmentFailure:
    failure = EnvironmentFailure(
        f"A job was lost by the pool that it was submitted to ({type(error).__name__}: {error}). Look at "
        "its workers: they need the same Python and taskgrove as this process, and memory for a job. The "
        "same call continues the run."
    )
    failure.__cause__ = error
    return failure
