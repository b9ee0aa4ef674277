"""What a run with the real trainer records of its costs, and that an unmeasured one goes on."""

from __future__ import annotations

import numpy as np
import pytest

from taskgrove.coordinator.base import Event, Stage
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.records import AddEvaluation, AddMetrics
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import RootSpec, TrainSpec
from taskgrove.reports.analyses.history import measured, spent_by
from taskgrove.reports.analyses.speed import sentence, speed_of
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.tasks.sources.arrays import arrays
from taskgrove.testing.runs import Interrupted

QUICK = TrainSpec(cycles=1, samples_cap=8, batch_size=8, val_cap=8, precision="fp32", threads=1)
OPTIONS: dict[str, HparamValue] = {"generations": 1, "children": 2}


def planted() -> Grove:
    """A new system with one task, whose images are told apart by their brightness."""
    grove = Grove.create(MemoryBackend(), RootSpec(member="vit-tiny-test"))
    labels = np.arange(24) % 2
    images = np.full((24, 8, 8), 10, np.uint8) + (labels * 200).astype(np.uint8)[:, None, None]
    images[:, 0, 0] = np.arange(24)
    grove.add_task("a", arrays(images, labels))
    return grove


def stop_after_the_test(event: Event) -> None:
    if event.stage is Stage.EVALUATED:
        raise Interrupted


def test_a_run_records_what_its_training_cost() -> None:
    grove = planted()
    grove.grow(iterations=1, train=QUICK, options=OPTIONS, device="cpu")
    spent = spent_by(grove.store.history())["grow-1"]
    assert spent == grove.store.state.spent["grow-1"]
    assert (spent.children, spent.failed, spent.samples) == (2, 0, 16)
    assert spent.flops > 0
    assert spent.device_s > 0
    phases = [spent.meters[f"{phase}_s"] for phase in ("load", "learn", "validate", "write")]
    assert 0 < sum(phases) <= spent.train_s
    assert spent.meters["peak_flops"] > 0
    speed = speed_of(spent)
    assert speed is not None
    assert speed.images_s == 16 / spent.train_s
    assert "images/s" in sentence(speed)
    (found,) = measured(grove.store.history())
    assert found.values["train_flops"] == spent.flops
    assert found.values["tasks"] == 1.0


def test_a_call_interrupted_before_its_last_metrics_goes_on_when_it_is_repeated() -> None:
    grove, whole = planted(), planted()
    with pytest.raises(Interrupted):
        grove.grow(iterations=1, train=QUICK, options=OPTIONS, device="cpu", observe=stop_after_the_test)
    assert isinstance([*grove.store.history()][-1].operation, AddEvaluation)
    for system in (grove, whole):
        system.grow(iterations=1, train=QUICK, options=OPTIONS, device="cpu")
    assert [*grove.view().experiments] == ["grow-1"]
    logs = [[commit.operation for commit in system.store.history()] for system in (grove, whole)]
    assert logs[0] == logs[1]
    assert isinstance(logs[0][-1], AddMetrics)
