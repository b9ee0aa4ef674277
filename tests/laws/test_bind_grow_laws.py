"""Bind-and-grow with the real trainer: who does its studies decides nothing; what it publishes, it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from taskgrove.domain.ids import BlobId, TaskName
from taskgrove.domain.jobs import EvaluateJob, TrainConfig, ValidateJob
from taskgrove.domain.records import FinishProbe, Publish, published_by
from taskgrove.experiment.build import build_device
from taskgrove.experiment.grove import Grove
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, RootSpec, TaskEntry, TrainSpec
from taskgrove.experiment.workplace import Workplace
from taskgrove.store.tensors import unpack
from taskgrove.testing.runs import log_of
from tests.laws.runs import assert_same, grown

SPEC = ExperimentSpec(
    name="bound",
    seed=3,
    device="cpu",
    root=RootSpec(member="mlp-tiny-test"),
    agent=AgentSpec(method="bind_grow", iterations=1, options={"delta": 0.6, "samples": 40}),
    train=TrainSpec(cycles=2, samples_cap=256, batch_size=32, val_cap=100, precision="fp32", threads=1),
    defaults={"opt.lr": 0.1},
    tasks=tuple(TaskEntry(name=f"part_{i}", source=f"split:sklearn:digits:{i}/3") for i in range(3)),
)


@pytest.fixture(scope="module")
def grove(tmp_path_factory: pytest.TempPathFactory) -> Grove:
    threads = torch.get_num_threads()
    made = grown(SPEC, tmp_path_factory.mktemp("bound") / "inline", "inline")
    torch.set_num_threads(threads)
    return made


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_two_workers_find_the_conflicts_that_one_process_finds(grove: Grove, tmp_path: Path) -> None:
    processes = grown(SPEC, tmp_path / "processes", "processes", 2)
    assert_same(processes, grove)
    probes = [
        [op for _, _, op in log_of(g.store.backend) if isinstance(op, FinishProbe)]
        for g in (processes, grove)
    ]
    assert sorted(probes[0], key=repr) == sorted(probes[1], key=repr)
    assert len(probes[0]) == 1 + 2


@pytest.mark.usefixtures("threads")
def test_every_published_quality_is_what_a_validation_gives(grove: Grove) -> None:
    """Also of models that others' training has changed; on all of the at most 100 images."""
    published = [m for _, _, op in log_of(grove.store.backend) if isinstance(op, Publish) for m in op.models]
    assert {model.task for model in published} == {"part_0", "part_1", "part_2"}
    place = Workplace(grove.store, build_device("cpu"))
    for task, best in grove.view().bests.items():
        model = grove.view().models[best]
        job = ValidateJob(
            task=task,
            member=model.member,
            components=tuple((c.slot, c.id) for c in model.components),
            num_classes=model.num_classes,
            hparams=model.hparams,
            config=TrainConfig(val_cap=100, threads=1),
        )
        assert place.study(job).quality == pytest.approx(model.quality, abs=0.011)  # type: ignore[union-attr]
        whole = place.study(replace(job, config=TrainConfig(val_cap=10**6, threads=1)))
        tested = place.evaluate(EvaluateJob(model=best, split="val", threads=1))
        assert whole.quality == pytest.approx(tested.accuracy)  # type: ignore[union-attr]


@pytest.mark.usefixtures("threads")
def test_shared_layers_move_less_than_new_ones(grove: Grove) -> None:
    """With a tenth of the learning rate; heads, which begin at zero, are left out."""
    published = {m.id: m for commit in grove.store.history() for m in published_by(commit)}
    model = grove.view().best(TaskName("part_2"))
    assert model is not None
    assert model.parent is not None
    before = published[model.parent]
    moved = {}
    for component in model.components[:-1]:
        older = before.component(component.slot)
        assert older is not None
        if older.id != component.id:
            old, new = (unpack(grove.store.get_blob(BlobId(c.id)))["weight"] for c in (older, component))
            moved[component.slot] = float((new - old).norm() / old.norm())
    grew = {name.removeprefix("clone:") for name in model.mutations if name.startswith("clone:")}
    assert grew
    shared = [size for slot, size in moved.items() if slot not in grew]
    assert shared
    assert max(shared) < min(size for slot, size in moved.items() if slot in grew)
