"""What every executor must do, as tests: subclass `ExecutorSuite` and give it `executor`.

And an executor that ends jobs in any order, for tests of those who wait for them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, as_completed
from typing import ParamSpec, TypeVar, final

import pytest

from taskgrove.coordinator.base import AbstractExecutor, Event, Resources, Stage
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.jobs import EvaluateJob

P = ParamSpec("P")
R = TypeVar("R")

TIMEOUT_S = 60.0


def divided(number: int, *, by: int = 1) -> float:
    """A call to execute; at the top of a module, so that other processes can find it."""
    if by < 0:
        raise BadValueError(f"The divisor must not be negative, got {by}.")
    return number / by


class ExecutorSuite:
    """The conformance suite of an executor."""

    def test_it_says_what_it_is(self, executor: AbstractExecutor) -> None:
        assert executor.name
        assert executor.summary
        assert "\n" not in executor.summary

    def test_a_future_gives_what_the_call_returns(self, executor: AbstractExecutor) -> None:
        assert executor.submit(divided, 6, by=4).result(TIMEOUT_S) == 1.5

    def test_many_calls_can_be_awaited_as_they_end(self, executor: AbstractExecutor) -> None:
        futures = {executor.submit(divided, number): number for number in range(20)}
        ended = {futures[future]: future.result() for future in as_completed(futures, TIMEOUT_S)}
        assert ended == {number: float(number) for number in range(20)}

    def test_an_error_comes_out_of_the_future_and_spares_the_others(self, executor: AbstractExecutor) -> None:
        wrong, crashing, right = (executor.submit(divided, 1, by=by) for by in (-1, 0, 1))
        with pytest.raises(BadValueError, match="got -1"):
            wrong.result(TIMEOUT_S)
        with pytest.raises(ZeroDivisionError):
            crashing.result(TIMEOUT_S)
        assert right.result(TIMEOUT_S) == 1.0

    def test_it_opens_for_a_run_and_ends_with_its_block(self, executor: AbstractExecutor) -> None:
        with type(executor).open(1, lambda _: None, Resources(cpus=1, gpus=0)) as opened:
            futures = [opened.submit(divided, number, by=2) for number in range(3)]
        assert type(opened) is type(executor)
        assert [future.result(0) for future in futures] == [0.0, 0.5, 1.0]

    def test_nothing_waits_for_ever_when_it_is_abandoned(self, executor: AbstractExecutor) -> None:
        futures = [executor.submit(divided, number) for number in range(4)]
        executor.abandon()
        assert all(future.done() for future in futures)

    def test_shutdown_waits_for_what_runs(self, executor: AbstractExecutor) -> None:
        futures = [executor.submit(divided, number) for number in range(4)]
        executor.shutdown()
        assert all(future.done() for future in futures)
        assert [future.result() for future in futures] == [0.0, 1.0, 2.0, 3.0]


@final
class OutOfOrder(AbstractExecutor):
    """Ends the children of a generation in any order, without threads.

    Give its `observe` to the coordinator: the next child ends when one has been recorded.

    Args:
        children: Per generation.
        pick: Which of so many waiting children ends next; by default the last.
    """

    name = "out_of_order"
    summary = "children end in any order, for tests"

    def __init__(self, children: int, pick: Callable[[int], int] = lambda waiting: waiting - 1) -> None:
        self._children = children
        self._pick = pick
        self._waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()

        def end() -> None:
            future.set_result(fn(*args, **kwargs))

        if any(isinstance(arg, EvaluateJob) for arg in args):
            end()
            return future
        self._waiting.append(end)
        if len(self._waiting) == self._children:
            self._end_next()
        return future

    def shutdown(self) -> None:
        assert not self._waiting

    def observe(self, event: Event) -> None:
        """Ends the next child when one was recorded."""
        if event.stage is Stage.CHILD and self._waiting:
            self._end_next()

    def _end_next(self) -> None:
        self._waiting.pop(self._pick(len(self._waiting)))()
