"""Workplaces: how a machine is shared out among them, and what of them travels to workers."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from taskgrove.agents.base import Assignment
from taskgrove.coordinator.workers.post import Post, take
from taskgrove.domain.errors import BadValueError, TaskDataError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import EvaluateJob, TrainJob
from taskgrove.experiment.api import create
from taskgrove.experiment.build import build_agent, training_of
from taskgrove.experiment.comparison.trials import Trial, prepared
from taskgrove.experiment.crew import Crew, crew_of
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, RootSpec, TrainSpec, digest
from taskgrove.experiment.workplace import Workplace, own_device, read_task, workplace_at
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.tasks.sources.arrays import arrays

CPU, GPU = torch.device("cpu"), torch.device("cuda")
CORES = 8
SPEC = ExperimentSpec(name="x", device="cpu", executor="processes")
QUICK = ExperimentSpec(
    name="x",
    device="cpu",
    agent=AgentSpec(options={"generations": 1, "children": 1}),
    train=TrainSpec(cycles=2, samples_cap=8, batch_size=8, val_cap=8, precision="fp32", threads=1),
)


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: CORES)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


def spec_of(workers: int, threads: int, executor: str = "processes") -> ExperimentSpec:
    return replace(SPEC, executor=executor, workers=workers, train=TrainSpec(threads=threads))


@pytest.mark.parametrize(
    ("workers", "threads", "crew"),
    [
        (0, 0, Crew(workers=8, threads=1)),
        (2, 0, Crew(workers=2, threads=4)),
        (3, 0, Crew(workers=3, threads=2)),
        (8, 0, Crew(workers=8, threads=1)),
        (0, 4, Crew(workers=2, threads=4)),
        (0, 3, Crew(workers=2, threads=3)),
        (0, 99, Crew(workers=1, threads=99)),
        (1, 99, Crew(workers=1, threads=99)),
        (4, 2, Crew(workers=4, threads=2)),
    ],
)
def test_workers_share_the_cores(workers: int, threads: int, crew: Crew) -> None:
    assert crew_of(spec_of(workers, threads), CPU) == crew


@pytest.mark.parametrize(("workers", "threads"), [(9, 0), (9, 1), (2, 5), (8, 2)])
def test_workers_that_want_more_cores_than_there_are_are_refused(workers: int, threads: int) -> None:
    with pytest.raises(BadValueError, match=rf"^{workers} workers .* the 8 core\(s\)"):
        crew_of(spec_of(workers, threads), CPU)


@pytest.mark.parametrize(
    ("device", "workers", "crew"),
    [
        (GPU, 0, Crew(workers=4, threads=2)),
        (torch.device("cuda:1"), 0, Crew(workers=1, threads=8)),
        (GPU, 16, Crew(workers=16, threads=1)),
    ],
)
def test_on_gpus_there_is_a_worker_for_each(device: torch.device, workers: int, crew: Crew) -> None:
    assert crew_of(spec_of(workers, 0), device) == crew


def test_workers_take_the_gpus_in_turn_unless_one_is_named() -> None:
    assert [str(own_device("cuda", number)) for number in (0, 3, 4)] == ["cuda:0", "cuda:3", "cuda:0"]
    assert own_device("cuda:2", 1) == torch.device("cuda:2")
    assert own_device("cpu", 1) == CPU


@pytest.mark.parametrize("workers", [0, 1])
def test_one_job_at_a_time_has_all_cores(workers: int) -> None:
    assert crew_of(spec_of(workers, 0, "inline"), CPU) == Crew(workers=1, threads=CORES)
    assert crew_of(spec_of(workers, 3, "inline"), CPU) == Crew(workers=1, threads=3)


def test_workers_of_an_executor_that_has_none_are_refused() -> None:
    with pytest.raises(BadValueError, match=r"workers is 2 .*'inline' runs one job.*processes"):
        crew_of(spec_of(2, 0, "inline"), CPU)


def test_a_negative_number_of_workers_is_refused() -> None:
    with pytest.raises(BadValueError, match="workers must not be negative, got -1"):
        replace(SPEC, workers=-1)


def test_jobs_are_trained_with_the_threads_of_a_worker() -> None:
    assert training_of(spec_of(2, 0)).threads == 4
    assert training_of(spec_of(0, 3)).threads == 3


def test_a_run_is_continued_with_any_workers_of_as_many_threads() -> None:
    one, two = spec_of(1, 2), spec_of(4, 2)
    assert digest(one, "fp32", 2) == digest(two, "fp32", 2)


def test_compared_runs_share_their_cores_among_their_workers(tmp_path: Path) -> None:
    two, four = (
        Trial(variant="v", seed=0, specs=(spec_of(workers, 0),), store=str(tmp_path / "none"))
        for workers in (2, 4)
    )
    assert [prepared(trial, CORES // 2).specs[0].train.threads for trial in (two, four)] == [2, 1]
    assert two.identity == four.identity


def planted(grove: Grove) -> Grove:
    """With a task whose images are told apart by their brightness."""
    labels = np.arange(40) % 2
    images = np.broadcast_to((labels * 200).astype(np.uint8)[:, None, None], (40, 8, 8)).copy()
    images[:, 0, 0] = np.arange(40)
    grove.add_task("a", arrays(images, labels))
    return grove


@pytest.fixture
def grove(tmp_path: Path) -> Grove:
    return planted(create(tmp_path / "grove", root="vit-tiny-test"))


@pytest.fixture
def travelled() -> Iterator[Callable[[Workplace], Workplace]]:
    """As in a worker: what arrives there of a workplace."""

    def travel(place: Workplace) -> Workplace:
        arrived = pickle.loads(pickle.dumps(place))
        assert isinstance(arrived, Workplace)
        return arrived

    workplace_at.cache_clear()
    yield travel
    workplace_at.cache_clear()


def test_all_that_arrives_of_a_workplace_is_one(
    grove: Grove, travelled: Callable[[Workplace], Workplace]
) -> None:
    place = Workplace(grove.store, CPU, workers=2)
    there = travelled(place)
    assert there is not place
    assert travelled(place) is there
    train, evaluate, meters = pickle.loads(pickle.dumps((place.train, place.evaluate, place.meters)))
    assert [method.__self__ for method in (train, evaluate, meters)] == [there] * 3


def test_another_device_or_store_is_another_workplace(grove: Grove, tmp_path: Path) -> None:
    other = create(tmp_path / "other", root="vit-tiny-test")
    places = [
        Workplace(grove.store, CPU),
        Workplace(grove.store, CPU, workers=2),
        Workplace(grove.store, torch.device("meta")),
        Workplace(other.store, CPU),
    ]
    assert len({place.address for place in places}) == len(places)


def job_of(grove: Grove) -> TrainJob:
    """The first child of task a."""
    agent = build_agent(QUICK, "vit-tiny-test", training_of(QUICK))
    view = grove.view()
    return agent.ask(agent.init(view, Assignment(seed=0, task=TaskName("a"), iteration=0)), view)[0]


@pytest.mark.usefixtures("threads")
def test_a_travelled_workplace_does_what_the_first_one_does(
    grove: Grove, travelled: Callable[[Workplace], Workplace]
) -> None:
    place, job = Workplace(grove.store, CPU), job_of(grove)
    there = travelled(place)
    assert there.train(job) == place.train(job)
    assert there.meters().keys() == place.meters().keys()


@pytest.mark.usefixtures("threads")
def test_what_is_told_there_goes_to_who_listens_to_the_executor(
    grove: Grove, travelled: Callable[[Workplace], Workplace]
) -> None:
    told: list[object] = []
    heard: list[object] = []
    place, job = Workplace(grove.store, CPU, watch=told.append), job_of(grove)
    place.train(job)

    def work_elsewhere() -> None:
        take(Post(number=3, tell=heard.append))
        travelled(place).train(job)

    copy_context().run(work_elsewhere)
    assert heard == told != []


@pytest.mark.usefixtures("threads")
def test_models_are_tested_there_as_here(grove: Grove, travelled: Callable[[Workplace], Workplace]) -> None:
    options = {**QUICK.agent.options}
    view = grove.grow(iterations=1, train=QUICK.train, device="cpu", options=options)
    job = EvaluateJob(model=view.bests[TaskName("a")], split="test", threads=1)
    place = Workplace(grove.store, CPU)
    assert travelled(place).evaluate(job) == place.evaluate(job)


def test_a_store_in_memory_does_not_travel() -> None:
    grove = planted(Grove.create(MemoryBackend(), RootSpec(member="vit-tiny-test")))
    before = grove.view().number
    advice = r"store in this process's memory cannot be shared.*\"inline\", or a store in a folder"
    with pytest.raises(BadValueError, match=advice):
        grove.grow(executor="processes", device="cpu")
    assert grove.view().number == before


@pytest.mark.parametrize("travels", [False, True])
def test_data_that_is_gone_stops_a_run_before_it_begins(tmp_path: Path, travels: bool) -> None:
    grove, file = create(tmp_path / "grove", root="vit-tiny-test"), tmp_path / "a.npz"
    images = np.arange(40, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(8, 2)
    np.savez(file, x_train=images, y_train=np.arange(40) % 2)
    grove.add_task("a", f"npz:{file}")
    place = Workplace(grove.store, CPU)
    place.prepare([TaskName("a")], travels=travels)
    assert len(read_task(grove.store, TaskName("a")).train) > 0
    file.unlink()
    with pytest.raises(TaskDataError, match=r"a\.npz"):
        Workplace(grove.store, CPU).prepare([TaskName("a")], travels=travels)
