"""Which crews are tried to find the fastest, and which of them is taken."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch

from taskgrove.experiment.crew import Crew
from taskgrove.experiment.spec import ExperimentSpec, TrainSpec
from taskgrove.experiment.tried import Plan, Tried, taken, try_all, up_to

CPU, GPU, THIRD_GPU = torch.device("cpu"), torch.device("cuda"), torch.device("cuda:2")
MEASURED = TrainSpec(threads="measured")
SPEC = ExperimentSpec(name="x", device="cpu", executor="processes", train=MEASURED)


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


def crews(*pairs: tuple[int, int]) -> tuple[Crew, ...]:
    return tuple(Crew(workers=workers, threads=threads) for workers, threads in pairs)


def tried(*found: tuple[int, int, float]) -> list[Tried]:
    return [Tried(crew=Crew(workers=w, threads=t), images_per_s=rate) for w, t, rate in found]


def test_numbers_double_up_to_the_most() -> None:
    assert [up_to(n) for n in (1, 2, 6, 8)] == [(1,), (1, 2), (1, 2, 4, 6), (1, 2, 4, 8)]


@pytest.mark.parametrize(
    ("executor", "workers", "expected"),
    [
        ("inline", 0, crews((1, 1), (1, 2), (1, 4), (1, 8))),
        ("processes", 0, crews((8, 1), (4, 2), (2, 4), (1, 8))),
        ("processes", "measured", crews((8, 1), (4, 2), (2, 4), (1, 8))),
        ("processes", 3, crews((3, 1), (3, 2))),
    ],
)
def test_threads_are_tried_with_the_workers_that_they_leave_cores_for(
    executor: str, workers: int | str, expected: tuple[Crew, ...]
) -> None:
    plan = Plan(spec=replace(SPEC, executor=executor, workers=workers), device=CPU)
    assert plan.crews_by_threads() == expected


def test_a_number_of_threads_is_kept() -> None:
    plan = Plan(spec=replace(SPEC, workers="measured", train=TrainSpec(threads=2)), device=CPU)
    assert plan.crews_by_threads() == crews((4, 2))
    assert plan.crews_by_workers(2) == crews((1, 2), (2, 2), (4, 2))
    assert plan.most_workers == 4


def test_a_number_of_workers_is_kept() -> None:
    plan = Plan(spec=replace(SPEC, workers=2), device=CPU)
    assert plan.crews_by_workers(1) == ()
    assert plan.most_workers == 2


@pytest.mark.parametrize(
    ("device", "places", "workers"),
    [(CPU, None, 8), (CPU, 3, 3), (GPU, None, 64), (GPU, 10, 10), (THIRD_GPU, None, 16), (THIRD_GPU, 1, 1)],
)
def test_no_more_workers_are_tried_than_there_is_room_for(
    device: torch.device, places: int | None, workers: int
) -> None:
    plan = Plan(spec=replace(SPEC, workers="measured"), device=device, places=places)
    assert plan.most_workers == workers
    assert max(crew.workers for crew in plan.crews_by_workers(1)) == workers


def test_the_fastest_crew_is_taken_and_of_about_equal_ones_the_smallest() -> None:
    assert taken(tried((4, 1, 90.0), (2, 2, 100.0))) == Crew(workers=2, threads=2)
    assert taken(tried((4, 2, 100.0), (2, 2, 99.0), (4, 1, 98.0), (1, 1, 50.0))) == Crew(workers=4, threads=1)


def test_workers_are_tried_with_the_threads_that_were_best_and_no_crew_twice() -> None:
    asked = []

    def rate(crew: Crew) -> float:
        asked.append(crew)
        return {(2, 4): 10.0, (1, 4): 12.0}.get((crew.workers, crew.threads), 5.0)

    found = try_all(Plan(spec=replace(SPEC, workers="measured"), device=CPU), rate)
    assert tuple(asked) == crews((8, 1), (4, 2), (2, 4), (1, 8), (1, 4))
    assert [each.crew for each in found] == asked
    assert taken(found) == Crew(workers=1, threads=4)
