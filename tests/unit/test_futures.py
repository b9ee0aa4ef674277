"""The executor `futures`: what it asks of another library's pool, and what it makes of what comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import pytest

from taskgrove.coordinator.executors.futures import FuturesExecutor
from taskgrove.coordinator.executors.inline import InlineExecutor
from taskgrove.domain.errors import BadValueError, EnvironmentFailure
from taskgrove.experiment.api import open_or_create
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec
from tests.laws.runs import bright_or_dark, grown
from tests.unit import calls

WAIT_S = calls.PATIENCE_S
ONE_CHILD = AgentSpec(iterations=1, options={"generations": 1, "children": 1})


@final
class Deaf(Executor):
    """A pool whose futures end only when the test says so."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, *args: object, **kwargs: object) -> Future[Any]:
        self.futures.append(Future())
        return self.futures[-1]


@pytest.fixture
def threads_of() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_it_leaves_the_pool_to_whoever_made_it(threads_of: ThreadPoolExecutor) -> None:
    with FuturesExecutor(threads_of) as executor:
        executor.submit(calls.pid)
    assert threads_of.submit(calls.pid).result(WAIT_S) == os.getpid()


def test_a_process_with_several_threads_carries_out_one_call_at_a_time(
    threads_of: ThreadPoolExecutor,
) -> None:
    executor = FuturesExecutor(threads_of)
    futures = [executor.submit(calls.alone) for _ in range(8)]
    assert all(future.result(WAIT_S) for future in futures)


def test_it_asks_for_twice_as_many_calls_as_there_are_workers(threads_of: ThreadPoolExecutor) -> None:
    assert FuturesExecutor(threads_of, workers=3).backlog == 6
    assert FuturesExecutor(threads_of).backlog > 1_000_000


def test_an_error_says_where_it_was_raised(threads_of: ThreadPoolExecutor) -> None:
    error = FuturesExecutor(threads_of).submit(calls.fail, BadValueError("bad")).exception(WAIT_S)
    assert isinstance(error, BadValueError)
    assert "in fail" in error.__notes__[0]


def test_a_call_that_cannot_travel_is_an_error(threads_of: ThreadPoolExecutor) -> None:
    with pytest.raises(Exception, match=r"pickle.*lambda"):
        FuturesExecutor(threads_of).submit(lambda: None).result(WAIT_S)


def test_a_pool_that_loses_a_job_is_told_as_such() -> None:
    pool = Deaf()
    future = FuturesExecutor(pool).submit(calls.pid)
    pool.futures[0].set_exception(MemoryError("the worker is gone"))
    with pytest.raises(
        EnvironmentFailure, match=r"lost.*MemoryError: the worker is gone.*same call"
    ) as caught:
        future.result(0)
    assert isinstance(caught.value.__cause__, MemoryError)


def test_a_job_that_the_pool_cancels_is_cancelled() -> None:
    pool = Deaf()
    future = FuturesExecutor(pool).submit(calls.pid)
    pool.futures[0].cancel()
    with pytest.raises(CancelledError):
        future.result(0)


def test_an_error_in_the_block_cancels_what_waits_and_does_not_wait_for_what_runs() -> None:
    pool = Deaf()
    futures: list[Future[int]] = []

    def fail_while_calls_run() -> None:
        with FuturesExecutor(pool) as executor:
            futures.extend(executor.submit(calls.pid) for _ in range(2))
            pool.futures[0].set_running_or_notify_cancel()
            raise BadValueError("no more")

    with pytest.raises(BadValueError, match="no more"):
        fail_while_calls_run()
    assert [future.cancelled() for future in futures] == [True, True]
    assert [future.cancelled() for future in pool.futures] == [False, True]
    pool.futures[0].set_result(b"too late")


@pytest.fixture
def spec(tmp_path: Path) -> ExperimentSpec:
    return replace(bright_or_dark(tmp_path), agent=ONE_CHILD)


def with_task(spec: ExperimentSpec, folder: Path) -> Grove:
    grove = open_or_create(folder, spec.root)
    grove.add_task("a", spec.tasks[0].source)
    return grove


@pytest.mark.usefixtures("threads")
def test_an_executor_can_be_handed_to_a_system(spec: ExperimentSpec, tmp_path: Path) -> None:
    one, other = (with_task(spec, tmp_path / name) for name in ("pool", "inline"))
    kwargs: dict[str, Any] = {
        "iterations": 1,
        "options": ONE_CHILD.options,
        "train": spec.train,
        "device": "cpu",
    }
    with ThreadPoolExecutor(1) as pool:
        one.grow(executor=FuturesExecutor(pool), **kwargs)
    other.grow(executor=InlineExecutor(), **kwargs)
    assert one.view().models == other.view().models
    assert '"executor":"futures"' in one.view().experiments["grow-1"].spec


def test_a_file_cannot_name_a_pool(spec: ExperimentSpec, tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match=r"only Python.*'processes' or 'ray'"):
        grown(spec, tmp_path / "grove", "futures")
