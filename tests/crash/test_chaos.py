"""Agents, their workers, cluster and server die at random: the experiment completes and nothing is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from taskgrove.domain.ids import CommitId
from taskgrove.domain.records import Commit
from taskgrove.experiment.api import open as open_grove
from taskgrove.testing.scripts import Step, begin, claim, end
from tests.crash.torture_agents import processes_with
from tests.crash.torture_chaos import Outcome, chaos
from tests.crash.torture_plan import ChaosPlan, Experiment, parties
from tests.crash.torture_server import killable
from tests.crash.torture_witness import Witness, changed, zombies
from tests.unit.ray_cluster import needs_ray

pytestmark = pytest.mark.usefixtures("threads")


def nothing_happened(outcome: Outcome) -> None:
    """Nothing that anybody would notice in the system."""
    assert outcome.casualties.died == []
    assert outcome.altered == 0
    assert outcome.changed == ()
    assert outcome.zombies == ()
    assert outcome.incomplete == ()
    assert outcome.problems == ()
    assert outcome.orphans == ()
    assert outcome.publications > 0


def hit(outcome: Outcome) -> set[str]:
    return {kind for kind, count in outcome.casualties.blows.items() if count}


def on_folder(folder: Path, plan: ChaosPlan) -> Outcome:
    torch.set_num_threads(1)
    (folder / "files").mkdir()
    return chaos(str(folder / "store"), folder / "files", plan)


def on_s3(folder: Path, plan: ChaosPlan) -> Outcome:
    torch.set_num_threads(1)
    (folder / "files").mkdir()
    with killable(folder / "server") as server:
        return chaos(server.service.at("store"), folder / "files", plan, server)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_agents_are_killed_for_fifteen_seconds(tmp_path: Path) -> None:
    outcome = on_folder(tmp_path, ChaosPlan(seconds=15, agents=3, together=0, every_s=1.5, iterations=4))
    nothing_happened(outcome)
    assert sum(outcome.casualties.blows.values()) > 0
    grove, late = open_grove(tmp_path / "store", writable=False), Witness(str(tmp_path / "store"))
    late.look()
    altered = replace(late.publications[0], bits="0")
    assert changed(grove, [altered, *late.publications[1:3]]) == [altered]


def test_commits_under_another_claim_than_the_newest_are_noticed() -> None:
    def commit(number: int, step: Step, token: int | None) -> Commit:
        identity = CommitId(str(number))
        return Commit(
            number=number, previous="", id=identity, time=0.0, operation=step.operation, claim=token
        )

    commits = [commit(0, claim("a"), None), commit(1, begin("a"), 0), commit(2, claim("a"), None)]
    late, unclaimed = commit(3, end("a", None), 0), commit(4, begin("a", 1), None)
    assert zombies([*commits, late, unclaimed, commit(5, begin("a", 1), 2)]) == [late, unclaimed]


def test_a_process_is_recognised_by_its_cache(tmp_path: Path) -> None:
    environment = {**os.environ, "TASKGROVE_CACHE": str(tmp_path)}
    assert processes_with(str(tmp_path)) == []
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment
    ) as process:
        assert len(processes_with(str(tmp_path))) == 1
        process.kill()


def test_every_task_has_one_agent_wherever_its_jobs_run(tmp_path: Path) -> None:
    tasks = [f"task-{number}" for number in range(8)]
    Experiment(tmp_path, tasks).ask(1)
    for plan in (ChaosPlan(seconds=1, agents=8, ray=ray) for ray in (False, True)):
        found = [*parties(tasks, plan)]
        assert [task for group, _ in found for task in group] == tasks
        assert [len(group) for group, _ in found] == [1] * 6 + [2]
        assert sum(place.executor == "ray" for _, place in found) == 3 * plan.ray
        assert all(Experiment(tmp_path, tasks).path(place).exists() for _, place in found)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_agents_are_killed_for_a_minute(tmp_path: Path) -> None:
    outcome = on_folder(tmp_path, ChaosPlan(seconds=60, agents=8))
    nothing_happened(outcome)
    assert {"agent", "coordinator", "worker", "stall"} <= hit(outcome)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_agents_and_their_server_are_killed_for_a_minute(tmp_path: Path) -> None:
    outcome = on_s3(tmp_path, ChaosPlan(seconds=60, agents=8))
    nothing_happened(outcome)
    assert outcome.casualties.blows["server"] > 1


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_everything_is_killed_for_a_minute(tmp_path: Path) -> None:
    outcome = on_s3(tmp_path, ChaosPlan(seconds=60, agents=8, ray=True))
    nothing_happened(outcome)
    kinds = {"agent", "coordinator", "worker", "stall", "server", "actor", "node"}
    assert hit(outcome) == kinds
