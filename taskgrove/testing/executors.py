"""What every executor must do, as tests: subclass `ExecutorSuite` and give it `executor`."""

from __future__ import annotations

from concurrent.futures import as_completed

import pytest

from taskgrove.coordinator.base import AbstractExecutor
from taskgrove.domain.errors import BadValueError

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

    def test_shutdown_waits_for_what_runs(self, executor: AbstractExecutor) -> None:
        futures = [executor.submit(divided, number) for number in range(4)]
        executor.shutdown()
        assert all(future.done() for future in futures)
        assert [future.result() for future in futures] == [0.0, 1.0, 2.0, 3.0]
