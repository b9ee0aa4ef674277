"""What calls need of a machine: what is refused, what is derived, and that it decides no result."""

from __future__ import annotations

import os
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest
import torch

from taskgrove.coordinator.base import Resources
from taskgrove.coordinator.executors.inline import InlineExecutor
from taskgrove.coordinator.executors.processes import ProcessesExecutor
from taskgrove.domain.errors import BadValueError
from taskgrove.experiment.build import device_of, training_of
from taskgrove.experiment.crew import Crew, crew_of, needs_of
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.spec import ExperimentSpec, TrainSpec, digest

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SPEC = ExperimentSpec(name="x", device="cpu", executor="ray")


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        ({"cpus": -1}, r"resources\.cpus must not be negative.*got -1"),
        ({"gpus": inf}, r"resources\.gpus .*infinite"),
        ({"cpus": nan}, r"resources\.cpus .*got nan"),
        ({"custom": {"tpu": -0.5}}, r"resources\.custom\.tpu .*-0\.5"),
        ({"gpus": 1.5}, r"resources\.gpus is 1\.5.*whole; give 2\."),
    ],
)
def test_what_no_machine_has_is_refused(resources: dict[str, float], says: str) -> None:
    with pytest.raises(BadValueError, match=says):
        Resources(**resources)  # type: ignore[arg-type]


@pytest.mark.parametrize("executor", [InlineExecutor, ProcessesExecutor])
def test_what_this_machine_does_not_have_is_refused(
    executor: type[InlineExecutor] | type[ProcessesExecutor],
) -> None:
    with pytest.raises(BadValueError, match=rf"cpus is 9, but the executor '{executor.name}' .*8 core"):
        executor.open(1, lambda _: None, Resources(cpus=9))
    with pytest.raises(BadValueError, match=rf"'{executor.name}' has no resource named 'tpu'.*'ray'"):
        executor.open(1, lambda _: None, Resources(custom={"tpu": 1}))


def needs(resources: Resources, device: torch.device = CPU, threads: int = 0) -> Resources:
    spec = replace(SPEC, resources=resources, train=TrainSpec(threads=threads))
    return needs_of(spec, device, crew_of(spec, device))


def test_a_cluster_is_asked_for_a_core_per_thread_and_for_a_gpu_when_that_is_the_device() -> None:
    assert needs(Resources()) == Resources(cpus=1, gpus=0)
    assert needs(Resources(), threads=4) == Resources(cpus=4, gpus=0)
    assert needs(Resources(), GPU, threads=2) == Resources(cpus=2, gpus=1)


def test_what_is_said_is_asked_for() -> None:
    said = Resources(cpus=0.5, gpus=0.25, custom={"big": 1})
    assert needs(said, GPU, threads=4) == said


def test_executors_of_this_machine_are_asked_only_for_what_is_said() -> None:
    spec = replace(SPEC, executor="processes", train=TrainSpec(threads=99))
    assert needs_of(spec, CPU, Crew(workers=1, threads=99)) == Resources()


@pytest.mark.parametrize(
    ("workers", "threads", "cpus", "crew"),
    [
        (0, 0, None, Crew(workers=8, threads=1)),
        (0, 0, 4, Crew(workers=2, threads=4)),
        (0, 0, 0.5, Crew(workers=8, threads=1)),
        (100, 2, 1, Crew(workers=4, threads=2)),
        (1, 0, None, Crew(workers=1, threads=1)),
        (0, 64, None, Crew(workers=1, threads=64)),
    ],
)
def test_machines_of_a_cluster_are_taken_to_be_like_this_one(
    workers: int, threads: int, cpus: float | None, crew: Crew
) -> None:
    resources, train = Resources(cpus=cpus), TrainSpec(threads=threads)
    assert crew_of(replace(SPEC, workers=workers, train=train, resources=resources), CPU) == crew


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU that this machine does not have")
def test_the_gpus_of_a_cluster_need_not_be_this_machines() -> None:
    there = replace(SPEC, device="cuda", train=TrainSpec(precision="bf16"))
    assert device_of(there) == GPU
    assert training_of(there).precision == "bf16"
    assert device_of(replace(SPEC, device="auto", resources=Resources(gpus=1))) == GPU
    assert device_of(replace(SPEC, device="auto", resources=Resources(gpus=0))) == CPU
    with pytest.raises(BadValueError, match=r"precision = auto .* bf16 or fp32"):
        training_of(replace(there, train=TrainSpec()))
    with pytest.raises(BadValueError, match="no usable GPU"):
        device_of(replace(there, executor="processes"))


def test_resources_are_read_from_a_file_and_decide_no_result(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('name = "x"\nresources = { cpus = 2, gpus = 0.5, custom = { "rack.a" = 1 } }')
    spec = read_experiment(path)
    assert spec.resources == Resources(cpus=2.0, gpus=0.5, custom={"rack.a": 1.0})
    assert digest(spec, "fp32", 1) == digest(replace(spec, resources=Resources()), "fp32", 1)
