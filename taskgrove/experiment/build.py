"""From names to objects: the one place that knows every room."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from taskgrove.agents.base import AbstractAgent, Equipment
from taskgrove.agents.methods import AGENTS
from taskgrove.backbones.families import family_of
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.coordinator.loop import Run
from taskgrove.domain.errors import BadValueError
from taskgrove.domain.hparams import Space
from taskgrove.domain.ids import BlobId, ComponentId, TaskName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.domain.records import Component, Model, StartExperiment, identified
from taskgrove.domain.seeds import derive
from taskgrove.domain.view import SystemView
from taskgrove.experiment.decode import decode
from taskgrove.experiment.spec import ExperimentSpec, RootSpec, ScoreSpec, TrainSpec, canonical, digest
from taskgrove.mutations.mu import MU
from taskgrove.scoring.base import AbstractScore
from taskgrove.scoring.decay import DecayScore
from taskgrove.scoring.quality import QualityScore
from taskgrove.store.tensors import pack
from taskgrove.tasks.load import normalise_source
from taskgrove.tasks.preprocess import PREPROCESS_SPACE
from taskgrove.trainer.optim import OPTIMIZER_SPACE
from taskgrove.version import __version__

ROOT_CLASSES = 2
"""A root's head serves no task; the papers count it with two classes in P."""


def space_of(member: str) -> Space:
    """Everything that is searched for a backbone: µ2Net+ (Gesmundo, 2022), Table 1."""
    return OPTIMIZER_SPACE | PREPROCESS_SPACE | family_of(member).space(member) | Space((MU,))


def build_root(spec: RootSpec, put_blob: Callable[[bytes], BlobId]) -> Model:
    """A root model, its components written.

    Raises:
        UnknownNameError: There is no such backbone.
        WeightsError: The weights file does not fit.
    """
    family = family_of(spec.member)
    layout = family.layout(spec.member)
    hparams = space_of(spec.member).defaults()
    read = {} if spec.weights is None else family.read_weights(Path(spec.weights), spec.member)
    components, flops = [], 0
    for name in layout.root_slots():
        slot = layout.slot(name, hparams, ROOT_CLASSES)
        generator = torch.Generator().manual_seed(derive(spec.seed, "root", spec.member, name))
        tensors = read[name] if name in read else family.init(slot, generator)
        identity = ComponentId(put_blob(pack(tensors)))
        components.append(Component(slot=name, kind=slot.kind, id=identity, num_params=slot.num_params))
        flops += slot.flops
    return identified(
        Model(
            member=spec.member,
            num_classes=ROOT_CLASSES,
            components=tuple(components),
            hparams=hparams,
            seed=spec.seed,
            flops=flops,
            code_version=__version__,
        )
    )


def build_score(spec: ScoreSpec, root: Model) -> AbstractScore:
    """The score of an experiment; its constants are the root's own size and cost unless given."""
    if spec.scale == 1.0:
        return QualityScore()
    params = float(root.num_params) if spec.params_constant is None else spec.params_constant
    flops = float(root.flops) if spec.flops_constant is None else spec.flops_constant
    return DecayScore(
        scale=spec.scale, params_constant=params, flops_constant=flops, count_roots=spec.count_roots
    )


def build_device(name: str) -> torch.device:
    """The device that a name means; `auto` prefers a GPU."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadValueError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}.") from error
    if device.type not in ("cpu", "cuda"):
        raise BadValueError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}.")
    usable = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= usable:
        raise BadValueError(
            f"device is {name!r} but this machine has {usable or 'no'} usable GPU(s); use cpu or auto."
        )
    return device


def build_train(spec: TrainSpec, device: torch.device) -> TrainConfig:
    """The training of an experiment with what `auto` means on this machine."""
    precision = spec.precision
    if precision == "auto":
        precision = "bf16" if _computes_bf16(device) else "fp32"
    return TrainConfig(
        cycles=spec.cycles,
        samples_cap=spec.samples_cap,
        batch_size=spec.batch_size,
        val_cap=spec.val_cap,
        precision=precision,
        threads=spec.threads or os.cpu_count() or 1,
    )


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def build_agent(spec: ExperimentSpec, root: Model, train: TrainConfig) -> AbstractAgent[Any]:
    """The experiment's agent with all that it works with.

    Raises:
        UnknownNameError: There is no such method, option or hyperparameter.
        BadValueError: An option or a default is out of its range.
    """
    equipment = Equipment(
        layout=family_of(root.member).layout(root.member),
        space=space_of(root.member).with_defaults(spec.defaults),
        score=build_score(spec.score, root),
        train=train,
        code_version=__version__,
    )
    return AGENTS[spec.agent.method](equipment=equipment, options=_options(spec))  # type: ignore[call-arg]


def _options(spec: ExperimentSpec) -> Any:
    kind = AGENTS[spec.agent.method].options_type
    return decode(kind, spec.agent.options, f"agent ({spec.agent.method})")


def check_spec(spec: ExperimentSpec) -> None:
    """Refuse an experiment that names something unknown or impossible, before anything is written.

    Raises:
        UnknownNameError: There is no such backbone, method, option, hyperparameter, executor or source.
        BadValueError: A value is out of its range.
    """
    _options(spec)
    space_of(spec.root.member).with_defaults(spec.defaults)
    EXECUTORS[spec.executor]
    build_device(spec.device)
    for task in spec.tasks:
        normalise_source(task.source)


def build_run(spec: ExperimentSpec, view: SystemView, train: TrainConfig) -> Run:
    """The run of an experiment on a system that has a root and its tasks."""
    names = tuple(TaskName(task.name) for task in spec.tasks) or tuple(view.tasks)
    if not names:
        raise BadValueError(
            "There is no task to grow. Add one with `taskgrove task add GROVE NAME SOURCE` or name "
            "tasks in the experiment."
        )
    for name in names:
        view.task(name)
    agent = build_agent(spec, view.models[view.roots[0]], train)
    start = StartExperiment(
        experiment=spec.name,
        digest=digest(spec, train.precision, train.threads),
        spec=canonical(spec),
        iterations=spec.agent.iterations,
        tasks=names,
    )
    return Run(
        start=start,
        seed=spec.seed,
        agents=dict.fromkeys(names, agent),
        threads=train.threads,
    )
