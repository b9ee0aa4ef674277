"""The executor `processes`: who works, what comes back, and what becomes of workers that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest

from taskgrove.coordinator.executors.processes import ProcessesExecutor
from taskgrove.coordinator.workers.seat import TRIES
from taskgrove.domain import errors
from taskgrove.domain.errors import BadValueError, EnvironmentFailure, TaskgroveError
from tests.unit import calls

ROOT = Path(__file__).parents[2]
WAIT_S = calls.PATIENCE_S
KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TaskgroveError)
]


@pytest.fixture(scope="module")
def two() -> Iterator[ProcessesExecutor]:
    """Two workers that all tests share."""
    with ProcessesExecutor(2) as executor:
        yield executor


@pytest.fixture
def one() -> Iterator[ProcessesExecutor]:
    with ProcessesExecutor(1) as executor:
        yield executor


def alive(pid: int) -> bool:
    """Whether a process lives; one that has ended may wait for its parent to notice."""
    said = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], check=False, capture_output=True, text=True)
    return said.stdout.strip()[:1] not in ("", "Z")


def gone(pids: list[int], within_s: float = 10.0) -> bool:
    end = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, pids))


def test_two_workers_work_at_the_same_time(two: ProcessesExecutor, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    futures = [two.submit(calls.meet, one, other), two.submit(calls.meet, other, one)]
    assert [future.result(WAIT_S) for future in futures] == [True, True]


def test_workers_are_other_processes_that_stay(two: ProcessesExecutor) -> None:
    pids = {two.submit(calls.pid).result(WAIT_S) for _ in range(8)}
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2


def test_each_worker_knows_its_number(two: ProcessesExecutor, one: ProcessesExecutor) -> None:
    assert {two.submit(calls.number).result(WAIT_S) for _ in range(4)} <= {0, 1}
    assert one.submit(calls.number).result(WAIT_S) == 0
    assert calls.number() is None


def test_there_are_as_many_workers_as_cores_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    with ProcessesExecutor() as executor:
        seen = {executor.submit(calls.number).result(WAIT_S) for _ in range(12)}
    assert seen <= {0, 1, 2}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_every_error_of_ours_comes_back_as_it_is(two: ProcessesExecutor, kind: type[TaskgroveError]) -> None:
    error = two.submit(calls.fail, kind("what, why, what now")).exception(WAIT_S)
    assert type(error) is kind
    assert str(error) == "what, why, what now"


def test_an_error_does_not_harm_the_worker_and_says_where_it_was_raised(one: ProcessesExecutor) -> None:
    before = one.submit(calls.pid).result(WAIT_S)
    error = one.submit(calls.fail, BadValueError("bad")).exception(WAIT_S)
    assert error is not None
    assert "in fail" in error.__notes__[0]
    assert one.submit(calls.pid).result(WAIT_S) == before


def test_an_error_that_cannot_travel_is_told_in_words(two: ProcessesExecutor) -> None:
    with pytest.raises(RuntimeError, match="AwkwardError: a fault in a worker") as caught:
        two.submit(calls.fail_awkwardly).result(WAIT_S)
    assert "in fail_awkwardly" in caught.value.__notes__[0]


def test_a_result_that_cannot_travel_is_an_error(one: ProcessesExecutor) -> None:
    before = one.submit(calls.pid).result(WAIT_S)
    with pytest.raises(Exception, match=r"pickle.*lambda"):
        one.submit(calls.give_what_cannot_travel).result(WAIT_S)
    assert one.submit(calls.pid).result(WAIT_S) == before


def test_a_call_that_cannot_travel_is_an_error(two: ProcessesExecutor) -> None:
    with pytest.raises(Exception, match=r"pickle.*lambda"):
        two.submit(lambda: None).result(WAIT_S)


def test_messages_are_heard_in_order_before_the_result() -> None:
    heard: list[object] = []
    with ProcessesExecutor(1, heard.append) as executor:
        assert executor.submit(calls.tell, ["a", 2, None]).result(WAIT_S) == 3
        assert heard == ["a", 2, None]


def test_a_listener_that_fails_fails_the_call_alone() -> None:
    def listen(message: object) -> None:
        if message == "loud":
            raise OSError("cannot hear")

    with ProcessesExecutor(1, listen) as executor:
        with pytest.raises(OSError, match="cannot hear"):
            executor.submit(calls.tell, ["loud", "a", "b"]).result(WAIT_S)
        assert executor.submit(calls.tell, ["soft"]).result(WAIT_S) == 1


@pytest.mark.parametrize("times", range(1, TRIES))
def test_a_worker_that_is_killed_is_replaced_and_its_call_tried_again(
    two: ProcessesExecutor, tmp_path: Path, times: int
) -> None:
    assert two.submit(calls.die_at_first, times, tmp_path / "count").result(WAIT_S) == times


def test_a_call_that_kills_every_worker_is_given_up(one: ProcessesExecutor, tmp_path: Path) -> None:
    with pytest.raises(
        EnvironmentFailure, match=rf"{TRIES} worker .*exit code -9 \(SIGKILL\).*fewer workers"
    ):
        one.submit(calls.die_at_first, TRIES, tmp_path / "count").result(WAIT_S)
    assert one.submit(calls.number).result(WAIT_S) == 0


def test_a_worker_that_leaves_is_told_apart_from_one_that_is_killed(one: ProcessesExecutor) -> None:
    with pytest.raises(EnvironmentFailure, match=r"exit code 7\. .*standard error.*inline"):
        one.submit(calls.die, 7).result(WAIT_S)


def test_an_idle_worker_that_is_killed_is_replaced(one: ProcessesExecutor) -> None:
    pid = one.submit(calls.pid).result(WAIT_S)
    os.kill(pid, signal.SIGKILL)
    assert gone([pid])
    assert one.submit(calls.pid).result(WAIT_S) != pid


def test_a_machine_that_starts_no_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(ROOT / "no-such-python"))
    with (
        ProcessesExecutor(1) as executor,
        pytest.raises(EnvironmentFailure, match=r"worker process \(No such file.*fewer workers"),
    ):
        executor.submit(calls.pid).result(WAIT_S)


def test_workers_leave_interruptions_to_who_started_them(one: ProcessesExecutor) -> None:
    assert one.submit(calls.interrupt_oneself).result(WAIT_S) == "still here"


def test_what_a_call_prints_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with ProcessesExecutor(1) as executor:
        executor.submit(calls.chatter).result(WAIT_S)
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "a word from a plug-in\n")


def test_shutdown_ends_the_workers() -> None:
    with ProcessesExecutor(1) as executor:
        pid = executor.submit(calls.pid).result(WAIT_S)
    assert not alive(pid)


def test_an_error_in_the_block_gives_up_what_runs_and_what_waits() -> None:
    pids: list[int] = []
    futures: list[Future[None]] = []

    def fail_while_calls_run() -> None:
        with ProcessesExecutor(1, pids.append) as executor:
            futures.extend(executor.submit(calls.hold) for _ in range(3))
            while not pids:
                time.sleep(0.005)
            raise BadValueError("no more")

    with pytest.raises(BadValueError, match="no more"):
        fail_while_calls_run()
    assert all(future.done() for future in futures)
    assert not any(map(alive, pids))


@contextmanager
def holding() -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process whose two workers are at work, and their ids."""
    command = [sys.executable, "-c", "from tests.unit.calls import main; main()"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        try:
            assert parent.stdout is not None
            yield parent, [int(parent.stdout.readline()) for _ in range(2)]
        finally:
            parent.kill()


def test_no_worker_outlives_a_killed_parent() -> None:
    with holding() as (parent, pids):
        assert all(map(alive, pids))
        parent.send_signal(signal.SIGKILL)
        assert gone(pids)


def test_ctrl_c_ends_the_run_and_its_workers_at_once() -> None:
    with holding() as (parent, pids):
        parent.send_signal(signal.SIGINT)
        _, said = parent.communicate(timeout=WAIT_S / 2)
        assert said.rstrip().endswith("KeyboardInterrupt")
        assert gone(pids)
