"""What one of two processes does in the tests of teams: trains children together, and fails together.

Each writes what it found into `FOLDER/<rank>.pt`; the leading one `FOLDER/outcomes.json`, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import torch

from taskgrove.backbones.assemble import Network, assemble
from taskgrove.backbones.families import family_of
from taskgrove.coordinator.base import Work
from taskgrove.domain.errors import TaskDataError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import AgentName, ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import (
    EvaluateJob,
    JobFailed,
    Outcome,
    ProbeResult,
    Share,
    Study,
    TrainConfig,
    TrainJob,
    TrainResult,
    ValidateResult,
)
from taskgrove.domain.records import Evaluation
from taskgrove.experiment.group import follow, lead, teamed
from taskgrove.experiment.spec import ExperimentSpec, TrainSpec
from taskgrove.trainer.distributed import ALONE, Team
from taskgrove.trainer.learner import Resident, dtype_of
from taskgrove.trainer.prefix.layers import Memory
from taskgrove.trainer.prefix.prefixes import Prefixes
from taskgrove.trainer.train import Trajectory, learner_of, train
from tests.unit.small_jobs import HPARAMS, MEMBER, make_data

SPEC = ExperimentSpec(name="together", device="cpu", train=TrainSpec(threads=1))
ALL = frozenset({"embedding", "cls", "pos", "block_0", "block_1", "norm", "head"})
TOP = frozenset({"block_1", "norm", "head"})
RANDOM: Mapping[str, HparamValue] = {"data.area_min": 0.5, "data.flip": True, "data.brightness": 0.2}
CONFIG = TrainConfig(cycles=2, batch_size=15, samples_cap=75, val_cap=29, precision="fp32", threads=1)

Child = tuple[frozenset[str], Mapping[str, HparamValue], TrainConfig]
CHILDREN: Mapping[str, Child] = {
    "all layers": (ALL, {}, CONFIG),
    "above a frozen prefix": (TOP, {}, CONFIG),
    "fewer validation images than processes": (TOP, {}, replace(CONFIG, val_cap=1)),
    "random preprocessing": (TOP, RANDOM, CONFIG),
    "in parts, with checkpoints": (ALL, {}, replace(CONFIG, micro_batch=3, checkpoint=True)),
}
"""Trainable slots, hyperparameters and settings of what two processes train; no batch has an even size."""


def network_of(
    trainable: frozenset[str], hparams: Mapping[str, HparamValue], dtype: torch.dtype = torch.float32
) -> Network:
    """The tiny backbone with random weights, those of the head included; frozen ones are of `dtype`."""
    family = family_of(MEMBER)
    layout = family.layout(MEMBER)
    slots = [layout.slot(name, hparams, 3) for name in layout.root_slots()]
    generator = torch.Generator().manual_seed(1)
    tensors = {slot.name: family.init(slot, generator) for slot in slots}
    for tensor in tensors[SlotName("head")].values():
        tensor.normal_(std=0.1, generator=generator)
    for slot in tensors.keys() - trainable:
        tensors[slot] = {name: tensor.to(dtype) for name, tensor in tensors[slot].items()}
    return assemble(family, slots, tensors, frozenset(map(SlotName, trainable)))


def trained(child: Child, team: Team = ALONE) -> Trajectory:
    """A child's training, or this process's part of it."""
    trainable, changes, config = child
    hparams = {**HPARAMS, "opt.lr": 0.05, **changes}
    data, network = make_data(), network_of(trainable, hparams, dtype_of(config))
    resident = Resident(
        train_images=torch.from_numpy(data.train.images),
        train_labels=torch.from_numpy(data.train.labels),
        val_images=torch.from_numpy(data.val.images)[: config.val_cap],
        val_labels=torch.from_numpy(data.val.labels)[: config.val_cap],
    )
    components = {slot.name: ComponentId(slot.name) for slot in network.slots}
    memory = Memory(prefixes=Prefixes(1 << 20), data="t", components=components)
    learner = learner_of(network, {}, resident, memory, hparams, config, 3, team)
    return train(learner, len(resident.train_labels), len(resident.val_labels), config, 3)


def job(number: int) -> TrainJob:
    """A job told by its number."""
    return TrainJob(
        agent=AgentName("test"),
        task=TaskName("t"),
        iteration=0,
        generation=0,
        child=number,
        member=MEMBER,
        slots=((SlotName("head"), Share(component=ComponentId("c"))),),
        num_classes=3,
        hparams={"opt.lr": 0.1},
        seed=number,
        bar=0.0,
        factor=1.0,
        config=CONFIG,
        parent=ModelId("p"),
    )


FINE, FOLLOWER_FULL, LEADER_FULL, LEADER_STOPS, FOLLOWER_STOPS = range(5)
"""What happens to a job, by its number."""


def play(team: Team, job: TrainJob) -> Outcome:
    """Meets the others, or fails as the job's number says."""
    if job.child == (LEADER_FULL if team.leads else FOLLOWER_FULL):
        return JobFailed(kind="out_of_memory", text="There is no room.", seed=job.seed)
    if job.child == (LEADER_STOPS if team.leads else FOLLOWER_STOPS):
        raise TaskDataError("The data has gone.")
    ones = torch.ones(1)
    team.add(ones)
    quality = float(ones)
    return TrainResult(
        quality=quality, best_cycle=1, trained={}, losses=(), accuracies=(), samples=job.child, val_samples=1
    )


def work_of(team: Team) -> Work:
    """Work that plays."""

    def evaluate(job: EvaluateJob) -> Evaluation:
        raise NotImplementedError

    def study(asked: Study) -> ProbeResult | ValidateResult:
        raise NotImplementedError

    return Work(
        train=lambda job: play(team, job),
        evaluate=evaluate,
        study=study,
        meters=lambda: {"device_s": 1.0, "x": 1.0},
    )


def led(team: Team) -> dict[str, object]:
    """What the leading process is told about jobs, one after the other."""
    work = lead(team, work_of(team))
    found: dict[str, object] = {"meters": dict(work.meters())}
    for number in (FINE, FOLLOWER_FULL, FINE, LEADER_FULL, LEADER_STOPS, FINE):
        try:
            answer = asdict(work.train(job(number)))
        except TaskDataError as error:
            answer = {"error": str(error)}
        found[f"{len(found) - 1}"] = answer
    return found


def main(folder: Path) -> None:
    """Train and play in a team; write what came of it."""
    torch.set_num_threads(1)
    with teamed([SPEC]) as team:
        done = {name: trained(child, team) for name, child in CHILDREN.items()}
        if team.leads:
            (folder / "outcomes.json").write_bytes(msgspec.json.encode(led(team)))
        else:
            follow(team, lambda job: play(team, job))
    torch.save({name: asdict(trajectory) for name, trajectory in done.items()}, folder / f"{team.rank}.pt")
