"""How busy workers were, from the times and meters of commits."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextvars import copy_context

import pytest
from rich.console import Console

from taskgrove.coordinator.metered import metered
from taskgrove.coordinator.workers.post import Post, take
from taskgrove.domain.ids import CommitId
from taskgrove.domain.records import Commit, Operation, StartExperiment
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.duty import duty, known, sentence
from taskgrove.reports.words.show import describe_system
from taskgrove.store.spent import Spent
from taskgrove.store.state import State
from taskgrove.testing.scripts import EXPERIMENT, accept, add_root, claim, evaluate, reject, start

_, ROOT = add_root()


def commit(
    number: int,
    operation: Operation,
    time: float = 0.0,
    meters: Mapping[str, float] | None = None,
    claim: int | None = None,
) -> Commit:
    return Commit(
        number=number,
        previous="",
        id=CommitId(str(number)),
        time=time,
        operation=operation,
        meters=meters or {},
        claim=claim,
    )


def trained(number: int, time: float, seconds: float, worker: int, task: str = "a") -> Commit:
    child = reject(ROOT, task, child=number).operation
    return commit(number, child, time, {"train_s": seconds, f"worker_{worker}_s": seconds})


def test_a_worker_is_idle_from_its_last_job_to_the_end_of_the_others() -> None:
    history = [trained(0, 10.0, 10.0, 0), trained(1, 12.0, 6.0, 1), trained(2, 20.0, 10.0, 0)]
    first, second = duty(history)[EXPERIMENT]
    assert (first.jobs, first.busy_s, first.wall_s, first.share) == (2, 20.0, 20.0, 1.0)
    assert (second.jobs, second.share) == (1, 0.3)
    assert sentence((first, second)) == "2 workers busy 65.0 % of 20 s, each 30.0 to 100.0 %"


def test_tests_of_models_count_for_who_trained_for_the_task() -> None:
    _, model = accept(ROOT, "a")
    meters = {"evaluate_s": 4.0, "worker_0_s": 4.0}
    history = [trained(0, 6.0, 6.0, 0), commit(1, evaluate(model).operation, 12.0, meters)]
    (worker,) = duty(history)[EXPERIMENT]
    assert worker.busy_s == 10.0
    assert worker.share == 10 / 12


def test_a_night_between_two_sittings_is_nobodys_idleness() -> None:
    history = [trained(0, 10.0, 10.0, 0), trained(1, 40_010.0, 10.0, 0)]
    (worker,) = duty(history)[EXPERIMENT]
    assert (worker.wall_s, worker.share) == (20.0, 1.0)


def test_agents_that_join_and_leave_are_told_apart_by_their_claims() -> None:
    meters = {"train_s": 5.0}
    history = [
        commit(0, claim("a", "here").operation),
        commit(1, claim("b", "there").operation),
        commit(2, reject(ROOT, "a").operation, 5.0, meters, claim=0),
        commit(3, reject(ROOT, "b").operation, 8.0, meters, claim=1),
        commit(4, reject(ROOT, "b", child=1).operation, 18.0, meters, claim=1),
    ]
    workers = {worker.name: worker for worker in duty(history)[EXPERIMENT]}
    assert workers["here"].share == 1.0
    assert workers["there"].share == pytest.approx(10 / 15)


def test_what_was_not_metered_is_not_told() -> None:
    assert duty([commit(0, reject(ROOT, "a").operation)]) == {}
    assert not known(State())
    assert known(State(spent={EXPERIMENT: Spent(meters={"worker_0_s": 1.0})}))


def test_status_shows_it_for_several_workers() -> None:
    history = [trained(0, 10.0, 10.0, 0), trained(1, 12.0, 6.0, 1)]
    begun = start(["a"]).operation
    assert isinstance(begun, StartExperiment)
    described = describe_system(SystemView(experiments={EXPERIMENT: begun}), {}, duty(history))
    console = Console(file=io.StringIO(), width=120)
    console.print(described.as_rich())
    assert isinstance(console.file, io.StringIO)
    assert "2 workers busy" in console.file.getvalue()
    plain = described.as_json()["duty"]
    assert isinstance(plain, dict)
    assert [worker["busy_s"] for worker in plain[EXPERIMENT]] == [10.0, 6.0]


def test_a_worker_counts_its_own_time() -> None:
    def work() -> Mapping[str, float]:
        take(Post(number=3, tell=lambda _: None))
        return metered("train", dict, lambda job: job, "job")[1]

    readings = copy_context().run(work)
    assert readings["worker_3_s"] == readings["train_s"]
