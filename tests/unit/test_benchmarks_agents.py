"""The benchmarks of many agents run on tiny settings, and what is simulated is what really happens."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import agents, simulate_agents
from benchmarks.recorded import CHAR8, durations_from
from benchmarks.simulated_agents import Durations, Setting, simulate
from benchmarks.simulated_clock import Clock
from benchmarks.simulated_store import READ, TRAIN, WAIT, Storage
from taskgrove.agents.methods.mu2net_plus import Mu2NetPlusOptions
from taskgrove.coordinator.schedule import Schedule
from taskgrove.domain.ids import TaskName
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.testing.layouts import tiny_store
from taskgrove.testing.runs import grow, run_of
from tests.unit.small_experiments import SMALL, written

FREE_OF_COST = Storage(name="free of cost", put_s=0.0, get_s=0.0, read_s=0.0)
FAR_AWAY = Storage(name="far away", put_s=0.04, get_s=0.02, read_s=0.001, at_once=16)
EQUAL = Durations(log_means=(0.0,), log_sd=0.0, test_s=0.0)
ROUNDS = Setting(
    tasks=3,
    alone=False,
    schedule=Schedule.ROUNDS,
    iterations=2,
    generations=1,
    children=2,
    storage=FREE_OF_COST,
    durations=EQUAL,
    arrivals_per_s=1e9,
)
TWO_TASKS = SMALL + '[[tasks]]\nname = "b"\nsource = "npz:{folder}/b.npz"\n'


def tables(out: Path) -> dict[str, list[dict[str, Any]]]:
    assert out.with_suffix(".png").stat().st_size > 10_000
    found: dict[str, list[dict[str, Any]]] = json.loads(out.with_suffix(".json").read_text())["tables"]
    return found


def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock, heard = Clock(), list[tuple[str, float]]()

    def life(name: str, *naps: float) -> None:
        for nap in naps:
            clock.sleep(nap)
            heard.append((name, clock.now))

    assert clock.run([lambda: life("a", 2.0, 2.0), lambda: life("b", 1.0, 2.5)]) == 4.0
    assert heard == [("b", 1.0), ("a", 2.0), ("b", 3.5), ("a", 4.0)]


def test_an_error_of_one_life_ends_the_simulation() -> None:
    clock = Clock()

    def fail() -> None:
        raise ValueError("planned")

    with pytest.raises(ValueError, match="planned"):
        clock.run([fail, lambda: clock.sleep(1.0)])


@pytest.mark.parametrize("storage", [FREE_OF_COST, FAR_AWAY], ids=lambda storage: storage.name)
def test_simulated_agents_grow_the_system_that_one_process_grows_in_rounds(storage: Storage) -> None:
    names = [TaskName(f"task_{number:04d}") for number in range(ROUNDS.tasks)]
    store = tiny_store(MemoryBackend(), names)
    options = Mu2NetPlusOptions(generations=ROUNDS.generations, children=ROUNDS.children)
    run = run_of(ROUNDS.iterations, names, name="simulated", options=options, schedule=Schedule.ROUNDS)
    really = grow(store, run)
    simulated = simulate(replace(ROUNDS, storage=storage)).state.view
    assert simulated.bests == really.bests
    assert simulated.models == really.models


def test_equal_tasks_without_costs_gain_what_there_are_agents() -> None:
    alone, together = (simulate(replace(ROUNDS, alone=alone)) for alone in (True, False))
    assert alone.seconds == pytest.approx(12.0)
    assert together.seconds == pytest.approx(4.0, abs=0.25)  # at a barrier they look five times a second
    assert together.spent[TRAIN] == pytest.approx(12.0)


def test_costs_of_the_storage_and_unequal_tasks_are_told() -> None:
    unequal = Durations(log_means=(0.0, 1.0), log_sd=0.0, test_s=0.0)
    far = simulate(replace(ROUNDS, storage=FAR_AWAY, durations=unequal))
    assert far.spent[READ] > 0
    assert far.spent[WAIT] > 0
    assert far.seconds > simulate(replace(ROUNDS, durations=unequal)).seconds


def test_the_same_simulation_gives_the_same_times() -> None:
    setting = replace(ROUNDS, storage=FAR_AWAY, durations=CHAR8, arrivals_per_s=10.0)
    first, second = simulate(setting), simulate(setting)
    assert (first.seconds, first.spent, first.lost) == (second.seconds, second.spent, second.lost)


def test_what_unequal_tasks_leave_is_bounded() -> None:
    unequal = replace(ROUNDS, durations=Durations(log_means=(0.0, 0.0, 1.0), log_sd=0.0, test_s=0.0))
    e = 2.718281828459045
    assert simulate_agents.bound(unequal) == pytest.approx((2 + e) / e)
    assert simulate_agents.bound(replace(ROUNDS, schedule=Schedule.FREE)) == pytest.approx(3.0)


def test_agents_are_simulated_on_both_storages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate_agents, "SHAPES", ((10, (1, 1, 3)), (100, (1, 1, 1))))
    out = tmp_path / "found"
    simulate_agents.main(["--agents", "2", "--records", "5", "--out", str(out)])
    rows = tables(out)["Agents, each with a task of its own"]
    assert {(row["storage"], row["schedule"]) for row in rows} == {
        (storage, schedule)
        for storage in ("local folder", "40 ms objects")
        for schedule in ("rounds", "free")
    }
    assert all(1 < row["speed-up"] <= 2.1 for row in rows)


@pytest.mark.usefixtures("threads")
def test_schedules_are_compared_on_real_children(tmp_path: Path) -> None:
    out = tmp_path / "found"
    recipe = written(tmp_path, TWO_TASKS)
    agents.main(["--recipe", str(recipe), "--workers", "1", "--iterations", "2", "--out", str(out)])
    found = tables(out)
    assert [row["task-set iteration"] for row in found["Test accuracy"]] == [1, 2]
    cases = {(row["schedule"], row["workers"]): row for row in found["Time"]}
    assert cases["rounds", 1]["speed-up"] == 1
    assert set(cases) == {("sequential", 1), ("rounds", 1)}
    assert all(0 < row["lowest of a worker, %"] <= row["duty cycle, %"] <= 100 for row in cases.values())
    assert durations_from(out.with_suffix(".json")).typical_s > 0
