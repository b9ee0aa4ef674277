"""Experiments that say `measured`: what they are carried out with, and what is written down of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import taskgrove
from taskgrove.cli.main import app
from taskgrove.domain.errors import BadValueError, EnvironmentFailure
from taskgrove.domain.ids import ComponentId
from taskgrove.domain.jobs import TrainConfig
from taskgrove.domain.records import Note
from taskgrove.experiment import measured, measuring
from taskgrove.experiment.build import check_spec, training_of
from taskgrove.experiment.comparison.trials import Trial as Run
from taskgrove.experiment.comparison.trials import prepared
from taskgrove.experiment.crew import Crew
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.measured import all_measured, settled, with_recorded
from taskgrove.experiment.measuring import Measured, measure
from taskgrove.experiment.segments import read_segments
from taskgrove.experiment.sequence import unfinished
from taskgrove.experiment.spaces import SPACES
from taskgrove.experiment.spec import ExperimentSpec, TrainSpec, digest
from taskgrove.experiment.tried import Tried
from taskgrove.trainer.pace import Trial, free_bytes, pace_of, tried_batch
from tests.unit.small_experiments import SMALL, written

MEASURED_THREADS = SMALL.replace("threads = 1", 'threads = "measured"')
MEMBER = "vit-tiny-test"


@pytest.fixture
def spec(tmp_path: Path) -> ExperimentSpec:
    return read_experiment(written(tmp_path, MEASURED_THREADS))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, threads: None) -> None:
    monkeypatch.setattr(measuring, "SECONDS", 0.01)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Crew]]:
    """What the next measurements find, the last of them first."""
    crews: list[Crew] = []

    def pretended(spec: ExperimentSpec, member: str) -> Measured:
        return Measured(tried=(Tried(crew=crews.pop(), images_per_s=1.0),), child_bytes=1, places=None)

    monkeypatch.setattr(measured, "measure", pretended)
    yield crews
    assert not crews


def components(grove: Grove) -> set[ComponentId]:
    return {component.id for model in grove.view().models.values() for component in model.components}


def recorded_threads(grove: Grove, name: str = "small") -> int:
    return int(json.loads(grove.view().experiments[name].spec)["train"]["threads"])


def notes(grove: Grove) -> list[str]:
    return [c.operation.text for c in grove.store.history() if isinstance(c.operation, Note)]


def test_what_was_measured_is_recorded_and_continued_with(
    spec: ExperimentSpec, found: list[Crew], tmp_path: Path
) -> None:
    found.append(Crew(workers=1, threads=2))
    grove = taskgrove.run(spec, tmp_path / "grove")
    assert recorded_threads(grove) == 2
    assert notes(grove) == [
        "small: images/s of workers × threads as measured: 1 × 2: 1. A child needs 0 MiB. Taken: 1 × 2."
    ]
    longer = replace(spec, agent=replace(spec.agent, iterations=2))
    taskgrove.run(longer, tmp_path / "grove")  # would find nothing to measure with
    assert len(notes(grove)) == 1
    said = replace(longer, train=replace(spec.train, threads=2))
    taskgrove.run(said, tmp_path / "other")
    assert components(taskgrove.open(tmp_path / "other")) == components(taskgrove.open(tmp_path / "grove"))


def test_a_finished_segment_is_known_by_what_was_measured_for_it(found: list[Crew], tmp_path: Path) -> None:
    text = MEASURED_THREADS + '[[segments]]\nname = "first"\n[[segments]]\nname = "then"\nscore.scale = 0.9\n'
    specs = read_segments(written(tmp_path, text))
    found.extend([Crew(workers=1, threads=1), Crew(workers=1, threads=2)])
    grove = taskgrove.run(specs, tmp_path / "grove")
    assert (recorded_threads(grove, "small.first"), recorded_threads(grove, "small.then")) == (2, 1)
    assert unfinished(specs, grove.view()) == (specs[1],)


def test_growing_goes_on_with_the_threads_of_the_same_settings(
    spec: ExperimentSpec, found: list[Crew], tmp_path: Path
) -> None:
    grove = taskgrove.create(tmp_path / "grove", root=MEMBER)
    grove.add_task("a", spec.tasks[0].source)

    def grow(seed: int) -> None:
        grove.grow(
            iterations=1, seed=seed, train=spec.train, device="cpu", options={"generations": 1, "children": 1}
        )

    found.append(Crew(workers=1, threads=2))
    grow(seed=0)
    grow(seed=0)
    found.append(Crew(workers=1, threads=1))
    grow(seed=1)
    assert [recorded_threads(grove, f"grow-{i}") for i in (1, 2, 3)] == [2, 2, 1]


def test_workers_are_measured_at_every_start_and_decide_nothing(
    spec: ExperimentSpec, found: list[Crew], tmp_path: Path
) -> None:
    train = replace(spec.train, threads=1)
    one = replace(spec, workers="measured", executor="processes", train=train)
    grove = taskgrove.create(tmp_path / "grove", root=MEMBER)
    for workers in (1, 2):
        found.append(Crew(workers=workers, threads=1))
        now = settled(one, grove.store)
        assert (now.workers, now.train) == (workers, train)
        assert digest(now, "fp32", 1) == digest(one, "fp32", 1)
    assert len(notes(grove)) == 2


def test_an_experiment_of_an_older_version_goes_on_with_the_cores_share(
    spec: ExperimentSpec, tmp_path: Path
) -> None:
    open_ended = replace(spec, train=replace(spec.train, threads=0))
    grove = taskgrove.run(open_ended, tmp_path / "grove")
    assert with_recorded(spec, grove.view()) == open_ended


@pytest.mark.parametrize("executor", ["inline", pytest.param("processes", marks=pytest.mark.slow)])
def test_crews_are_tried_with_the_experiments_own_executor(spec: ExperimentSpec, executor: str) -> None:
    result = measure(all_measured(replace(spec, executor=executor)), MEMBER)
    assert all(each.images_per_s > 0 for each in result.tried)
    assert Crew(workers=1, threads=1) in [each.crew for each in result.tried]
    assert result.child_bytes > 1 << 20
    assert (result.places is None) == (executor == "inline")


def test_a_crew_without_enough_memory_is_not_taken(
    spec: ExperimentSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(trial: Trial) -> object:
        if trial.config.threads > 1:
            raise RuntimeError("CUDA out of memory")
        return pace_of(trial)

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(measuring, "pace_of", full)
    result = measure(spec, MEMBER)
    assert [each.images_per_s > 0 for each in result.tried] == [True, False]
    assert result.crew == Crew(workers=1, threads=1)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr(measuring, "pace_of", lambda trial: full(replace(trial, config=TrainConfig())))
    with pytest.raises(EnvironmentFailure, match=r"could not be tried: CUDA out of memory.*micro_batch"):
        measure(spec, MEMBER)


def test_what_cannot_be_measured_is_refused_before_anything_is_written(
    spec: ExperimentSpec, tmp_path: Path
) -> None:
    with pytest.raises(BadValueError, match=r'train.threads must be a number or "measured", got \'measure\''):
        TrainSpec(threads="measure")
    with pytest.raises(BadValueError, match=r'workers must be a number or "measured", got \'all\''):
        replace(spec, workers="all")
    with pytest.raises(BadValueError, match=r"train\.threads = 0 results would depend on it"):
        replace(spec, workers="measured", train=TrainSpec(threads=0))
    with pytest.raises(BadValueError, match="workers is measured but the executor 'inline' runs one job"):
        check_spec(replace(spec, workers="measured"))
    with pytest.raises(BadValueError, match=r"executor 'ray' runs jobs on other machines.*Set numbers"):
        training_of(replace(spec, executor="ray"))
    run = Run(variant="v", seed=0, specs=(spec,), store=str(tmp_path / "none"))
    with pytest.raises(BadValueError, match=r"a comparison carries out several.*`taskgrove measure`"):
        prepared(run, 2)


def test_the_program_shows_what_it_has_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    file = str(written(tmp_path, SMALL.replace("threads = 1", "threads = 0")))
    shown = CliRunner().invoke(app, ["measure", file])
    assert shown.exit_code == 0, shown.output
    assert "To have it so: train.threads = 1." in shown.output
    plain = json.loads(CliRunner().invoke(app, ["measure", file, "--json"]).stdout)
    assert (plain["workers"], plain["threads"]) == (1, 1)
    assert plain["tried"][0]["images_per_s"] > 0


def trial(member: str = MEMBER, **changes: int) -> Trial:
    hparams = SPACES["mu2net_plus"].of(member).defaults()
    config = replace(TrainConfig(batch_size=16, threads=1), **changes)  # type: ignore[arg-type]
    return Trial(member=member, hparams=tuple(hparams.items()), config=config, device="cpu", seconds=0.0)


def test_steps_of_large_models_are_tried_with_fewer_images_and_their_memory_is_that_of_the_batch() -> None:
    assert tried_batch(trial()) == 16
    assert tried_batch(trial(micro_batch=4)) == 4
    assert 2 <= tried_batch(trial("vit-b", batch_size=512)) < 16
    assert pace_of(trial()).peak_bytes > 1 << 20


def test_free_memory_is_known_on_linux() -> None:
    free = free_bytes(torch.device("cpu"))
    assert free is None or free > 1 << 20
