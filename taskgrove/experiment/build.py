"""From names to objects: the one place that knows every room."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from taskgrove.agents.base import AbstractAgent, Equipment
from taskgrove.agents.methods import AGENTS
from taskgrove.backbones.families import family_of
from taskgrove.coordinator.executors import EXECUTORS
from taskgrove.coordinator.loop import Run
from taskgrove.coordinator.schedule import Schedule
from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.domain.hparams import Space
from taskgrove.domain.ids import BlobId, ComponentId, TaskName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.domain.records import Component, Model, StartExperiment, identified
from taskgrove.domain.seeds import derive
from taskgrove.domain.view import SystemView
from taskgrove.experiment.crew import crew_of
from taskgrove.experiment.roots import weights_file
from taskgrove.experiment.scores import build_score
from taskgrove.experiment.spaces import space_of
from taskgrove.experiment.spec import (
    ExperimentSpec,
    RootSpec,
    SpaceSpec,
    TrainSpec,
    canonical,
    digest,
    number_of,
)
from taskgrove.experiment.tables import decode
from taskgrove.scoring.base import Cost
from taskgrove.store.tensors import pack
from taskgrove.tasks.load import normalise_source
from taskgrove.trainer.compiled import check_compiler
from taskgrove.trainer.similarity.measures import DISSIMILARITIES
from taskgrove.version import __version__

ROOT_CLASSES = 2
"""A root's head serves no task; the papers count it with two classes in P."""

DEFAULT_SPACE = "mu2net_plus"
"""Where a root's hyperparameters come from; its children begin with the experiment's defaults."""


def build_root(spec: RootSpec, put_blob: Callable[[bytes], BlobId]) -> Model:
    """A root model, its components written.

    Raises:
        UnknownNameError: There is no such backbone.
        WeightsError: The weights file does not fit.
    """
    family = family_of(spec.member)
    layout = family.layout(spec.member)
    hparams = space_of(SpaceSpec(), DEFAULT_SPACE, spec.member).defaults()
    weights = weights_file(spec)
    read = {} if weights is None else family.read_weights(weights, spec.member)
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


def root_cost(member: str) -> Cost:
    """Parameters and FLOPs of a root: the papers' constants P and F0."""
    layout = family_of(member).layout(member)
    hparams = space_of(SpaceSpec(), DEFAULT_SPACE, member).defaults()
    slots = [layout.slot(name, hparams, ROOT_CLASSES) for name in layout.root_slots()]
    params = sum(slot.num_params for slot in slots)
    return Cost(accounted_params=float(params), flops=sum(slot.flops for slot in slots))


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


def device_of(spec: ExperimentSpec) -> torch.device:
    """The device of the experiment's jobs, which other machines may have."""
    wanted = spec.resources.gpus
    name = spec.device
    if EXECUTORS[spec.executor].elsewhere:
        if name == "auto" and wanted is not None:
            name = "cuda" if wanted else "cpu"
        if name == "cuda":
            return torch.device(name)
    return build_device(name)


def build_train(spec: TrainSpec, device: torch.device) -> TrainConfig:
    """The training of an experiment with what `auto` means on this machine."""
    precision = spec.precision
    if precision == "auto":
        if device.type == "cuda" and not torch.cuda.is_available():
            raise BadValueError(
                "train.precision = auto cannot be decided here: the jobs run on GPUs of other machines, and "
                "this one has none to ask. Say bf16 or fp32."
            )
        precision = "bf16" if _computes_bf16(device) else "fp32"
    return TrainConfig(
        cycles=spec.cycles,
        samples_cap=spec.samples_cap,
        batch_size=spec.batch_size,
        val_cap=spec.val_cap,
        precision=precision,
        threads=number_of(spec.threads) or os.cpu_count() or 1,
        engine=spec.engine,
        micro_batch=spec.micro_batch,
        checkpoint=spec.checkpoint,
        compile=spec.compile,
        hopeless=spec.hopeless,
        val_first=spec.val_first,
    )


def _computes_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def training_of(spec: ExperimentSpec) -> TrainConfig:
    """How the experiment's children are trained on this machine.

    What is still to be measured counts as left open. Raises what `crew_of` and `check_compiler` raise.
    """
    device = device_of(spec)
    if not EXECUTORS[spec.executor].elsewhere:
        check_compiler(device, spec.train.compile)
    return build_train(replace(spec.train, threads=crew_of(spec, device).threads), device)


def build_agent(spec: ExperimentSpec, member: str, train: TrainConfig) -> AbstractAgent[Any]:
    """The experiment's agent with all that it works with.

    Args:
        spec: The experiment.
        member: The backbone of the system.
        train: How children are trained.

    Raises:
        UnknownNameError: There is no such method, option, space, score or hyperparameter.
        BadValueError: An option or a default is out of its range, or the budget cannot be shared out.
    """
    kind = AGENTS[spec.agent.method]
    equipment = Equipment(
        layout=family_of(member).layout(member),
        space=search_space(spec, member),
        score=build_score(spec.score, kind.score_form, root_cost(member)),
        train=train,
        budget=_budget(spec),
        code_version=__version__,
        measures=tuple(DISSIMILARITIES),
    )
    options = decode(kind.options_type, spec.agent.options, f"agent ({spec.agent.method})")
    agent: AbstractAgent[Any] = kind(equipment=equipment, options=options)  # type: ignore[call-arg]
    agent.total_children()  # a budget that cannot be shared out is refused now
    return agent


def search_space(spec: ExperimentSpec, member: str) -> Space:
    """What the experiment searches for a backbone, with its own defaults; see `build_agent` for errors."""
    kind = AGENTS[spec.agent.method]
    return space_of(spec.space, kind.space, member).with_defaults(spec.defaults)


def _budget(spec: ExperimentSpec) -> int | None:
    """Train cycles of one task iteration."""
    if spec.budget.cycles is None:
        return None
    share, left = divmod(spec.budget.cycles, spec.agent.iterations)
    if left:
        raise BadValueError(
            f"budget.cycles = {spec.budget.cycles} cannot be shared equally by agent.iterations = "
            f"{spec.agent.iterations}; choose a multiple."
        )
    return share


def schedule_of(spec: ExperimentSpec) -> Schedule:
    """The experiment's schedule; raises UnknownNameError."""
    if spec.schedule not in list(Schedule):
        raise UnknownNameError.of("schedule", spec.schedule, list(Schedule))
    return Schedule(spec.schedule)


def check_spec(spec: ExperimentSpec) -> None:
    """Refuse an experiment that names something unknown or impossible, before anything is written.

    Raises:
        UnknownNameError: There is no such backbone, method, option, space, score, hyperparameter,
            executor or source.
        BadValueError: A value is out of its range.
    """
    train, names = training_of(spec), [task.name for task in spec.tasks]
    build_agent(spec, spec.root.member, train)
    agents = _agents(spec, [TaskName(name) for name in names], spec.root.member, train)
    _check_alone(schedule_of(spec), agents)
    for task in spec.tasks:
        normalise_source(task.source)


def _agents(
    spec: ExperimentSpec, tasks: Sequence[TaskName], member: str, train: TrainConfig
) -> dict[TaskName, AbstractAgent[Any]]:
    """The agent of each task; tasks of a group have one in common.

    Args:
        spec: The experiment.
        tasks: All of them.
        member: The backbone of the system's first root, which groups without a root of their own have.
        train: How children are trained.
    """
    common = build_agent(spec, member, train)
    agents = dict.fromkeys(tasks, common)
    for group in spec.groups:
        own = spec.of_task(group.tasks[0])
        agent = build_agent(own, group.root.member if group.root else member, train)
        agents.update((TaskName(name), agent) for name in group.tasks if name in agents)
    return agents


def _check_alone(schedule: Schedule, agents: Mapping[TaskName, AbstractAgent[Any]]) -> None:
    """Refuse agents that publish models of each other's tasks while these are being grown.

    Raises:
        BadValueError: There are such agents and the schedule lets iterations overlap.
    """
    for task, agent in agents.items():
        if agent.changes_others and schedule is not Schedule.SEQUENTIAL:
            raise BadValueError(
                f"The agent of task {task!r} ({agent.name}) trains layers that others share and publishes "
                f'their models, too, but schedule = "{schedule}" grows several tasks at once. Choose '
                'schedule = "sequential", or freeze what is shared (bind_grow: agent.shared_lr_scale = 0).'
            )


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
    member = view.models[view.roots[0]].member
    agents, schedule = _agents(spec, names, member, train), schedule_of(spec)
    _check_alone(schedule, agents)
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
        agents=agents,
        threads=train.threads,
        schedule=schedule,
        limits=spec.limits,
    )
