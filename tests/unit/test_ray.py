"""The executor `ray`: what it needs, and what becomes of actors that die."""

from __future__ import annotations

import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from taskgrove.coordinator.base import Resources
from taskgrove.coordinator.executors.ray import TRIES, RayExecutor
from taskgrove.domain.errors import BadValueError, EnvironmentFailure, MissingExtraError
from tests.unit import calls
from tests.unit.ray_cluster import needs_ray
from tests.unit.ray_cluster import two_nodes as two_nodes
from tests.unit.test_processes import gone

WAIT_S = 2 * calls.PATIENCE_S


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'taskgrove\[ray\]'.*processes"):
        RayExecutor()


@pytest.mark.slow
@needs_ray
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("two_nodes")
class TestOnACluster:
    """Slow, since a cluster takes seconds to start."""

    def test_there_are_as_many_actors_as_the_cluster_has_room_for(self) -> None:
        with RayExecutor() as executor:
            assert executor.backlog == 4
        with RayExecutor(resources=Resources(cpus=0.5)) as executor:
            assert executor.backlog == 8
        with RayExecutor(3) as executor:
            assert executor.backlog == 6

    def test_actors_work_at_the_same_time_and_know_their_numbers(self, tmp_path: Path) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        with RayExecutor() as executor:
            futures = [executor.submit(calls.meet, one, other), executor.submit(calls.meet, other, one)]
            assert [future.result(WAIT_S) for future in futures] == [True, True]
            assert {executor.submit(calls.number).result(WAIT_S) for _ in range(4)} <= {0, 1}

    def test_more_workers_than_there_is_room_for_keep_nobody_waiting(self) -> None:
        with RayExecutor(5) as executor:
            assert [executor.submit(calls.pid).result(WAIT_S) > 0 for _ in range(5)] == [True] * 5

    def test_messages_are_heard_in_order_before_the_result(self) -> None:
        heard: list[object] = []
        with RayExecutor(1, heard.append) as executor:
            assert executor.submit(calls.tell, ["a", 2, None]).result(WAIT_S) == 3
            assert heard == ["a", 2, None]

    def test_a_listener_that_fails_fails_the_call_alone(self) -> None:
        def listen(message: object) -> None:
            if message == "loud":
                raise OSError("cannot hear")

        with RayExecutor(1, listen) as executor:
            with pytest.raises(OSError, match="cannot hear"):
                executor.submit(calls.tell, ["loud", "a", "b"]).result(WAIT_S)
            assert executor.submit(calls.tell, ["soft"]).result(WAIT_S) == 1

    @pytest.mark.parametrize("times", range(1, TRIES))
    def test_an_actor_that_is_killed_comes_back_and_its_call_is_tried_again(
        self, tmp_path: Path, times: int
    ) -> None:
        with RayExecutor(1) as executor:
            assert executor.submit(calls.die_at_first, times, tmp_path / "count").result(WAIT_S) == times

    def test_a_call_that_kills_every_actor_is_given_up(self, tmp_path: Path) -> None:
        with RayExecutor() as executor:
            with pytest.raises(EnvironmentFailure, match=rf"{TRIES} Ray actors .* same command"):
                executor.submit(calls.die_at_first, TRIES, tmp_path / "count").result(WAIT_S)
            assert executor.submit(calls.number).result(WAIT_S) in (0, 1)

    def test_a_call_that_cannot_travel_is_an_error(self) -> None:
        with RayExecutor(1) as executor, pytest.raises(Exception, match=r"pickle.*lambda"):
            executor.submit(lambda: None).result(WAIT_S)

    def test_an_error_in_the_block_gives_up_what_runs_and_what_waits(self) -> None:
        pids: list[int] = []
        futures: list[Future[None]] = []

        def fail_while_calls_run() -> None:
            with RayExecutor(1, pids.append) as executor:
                futures.extend(executor.submit(calls.hold) for _ in range(3))
                while not pids:
                    time.sleep(0.01)
                raise BadValueError("no more")

        with pytest.raises(BadValueError, match="no more"):
            fail_while_calls_run()
        assert all(future.done() for future in futures)
        assert gone(pids)

    def test_what_no_machine_has_is_refused_with_what_they_have(self) -> None:
        with pytest.raises(BadValueError, match=r"needs 1 CPU, 1 GPU; together they have 2 CPU.*workers"):
            RayExecutor(resources=Resources(gpus=1))

    def test_a_program_that_has_joined_a_cluster_stays_in_it(self) -> None:
        import ray

        ray.init(log_to_driver=False)
        with RayExecutor(1) as executor:
            executor.submit(calls.pid).result(WAIT_S)
        assert ray.is_initialized()
        ray.shutdown()

    def test_an_address_where_nothing_is_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
        with pytest.raises(EnvironmentFailure, match=r"RAY_ADDRESS=127\.0\.0\.1:1 .*RAY_AUTH_TOKEN"):
            RayExecutor()

    def test_the_address_of_a_client_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
        with pytest.raises(BadValueError, match=r"client.*ray job submit"):
            RayExecutor()
