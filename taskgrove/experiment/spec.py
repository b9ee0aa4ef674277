"""An experiment as frozen data: everything that decides its result, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from taskgrove.coordinator.base import Resources
from taskgrove.coordinator.limits import Limits
from taskgrove.domain.errors import BadValueError, DuplicateNameError, UnknownNameError
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import NAME_PATTERN
from taskgrove.scoring.decay import DecayScore
from taskgrove.scoring.limit import LimitScore

MEASURED = "measured"
"""Instead of a number: what is fastest on the machine where it matters; see `experiment.measured`."""


def number_of(value: int | str) -> int:
    """A number that a setting gives; 0 while it is still to be measured."""
    return 0 if isinstance(value, str) else value


def _check_number(name: str, value: int | str, nothing: str) -> None:
    """Refuse what is neither a number of threads or workers nor the word for measuring it."""
    if isinstance(value, str) and value != MEASURED:
        raise BadValueError(f'{name} must be a number or "{MEASURED}", got {value!r}.')
    if number_of(value) < 0:
        raise BadValueError(f"{name} must not be negative, got {value}; 0 means {nothing}.")


def check_name(what: str, name: str) -> None:
    """Refuse a name that cannot be a task's or an experiment's."""
    if NAME_PATTERN.fullmatch(name) is None:
        raise BadValueError(
            f"{name!r} cannot name {what}: use 1 to 100 letters, digits and _ . : + - "
            "and start with a letter or a digit."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSpec:
    """The model everything descends from.

    Attributes:
        member: A registered backbone.
        weights: `random`, a shipped root (`glyphs`), a weights file in a public format, or
            `hub:<owner>/<repo>[/<file>]`; None is random.
        seed: Of the random initialisation.
    """

    member: str = "vit-ti3"
    weights: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """The search method and how long it works.

    Attributes:
        method: A registered agent.
        iterations: Task iterations per task.
        options: The method's own settings, by name.
    """

    method: str = "mu2net_plus"
    iterations: int = 2
    options: Mapping[str, HparamValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise BadValueError(f"agent.iterations must be at least 1, got {self.iterations}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSpec:
    """The score that agents maximise.

    Attributes:
        form: `quality`, `munet`, `mu2net_plus` or `limit`; None for the method's own, or for `limit`
            when a limit is given.
        scale: s, in ]0, 1]; 1 for quality alone.
        params_constant: P; None for the root's number of parameters, 0 to leave the factor out.
        flops_constant: F0; None for the root's FLOPs, 0 to leave the factor out.
        count_roots: Whether a root counts as a sharer of its components; None for what the form's
            paper does.
        max_params: Most accounted parameters of a model.
        max_flops: Most FLOPs of one image's forward pass.
    """

    form: str | None = None
    scale: float = 1.0
    params_constant: float | None = None
    flops_constant: float | None = None
    count_roots: bool | None = None
    max_params: float | None = None
    max_flops: float | None = None

    def __post_init__(self) -> None:
        # Their own checks are the checks of these values.
        DecayScore(
            scale=self.scale,
            params_constant=self.params_constant or 0.0,
            flops_constant=self.flops_constant or 0.0,
        )
        if self.max_params is not None or self.max_flops is not None:
            LimitScore(max_params=self.max_params, max_flops=self.max_flops)

    def given(self) -> frozenset[str]:
        """The settings that differ from their defaults, the form aside."""
        usual = asdict(ScoreSpec(form=self.form))
        return frozenset(name for name, value in asdict(self).items() if value != usual[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceSpec:
    """The hyperparameters that are searched.

    Attributes:
        base: A registered search space; None for the method's own.
        values: Other values for some of them; a single one means that it is not searched.
    """

    base: str | None = None
    values: Mapping[str, tuple[HparamValue, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    """What a task may cost, shared out by the method, so that methods can be compared.

    Attributes:
        cycles: Train cycles of all children of a task, over all its iterations; None leaves the
            effort to the method's own settings.
    """

    cycles: int | None = None

    def __post_init__(self) -> None:
        if self.cycles is not None and self.cycles < 1:
            raise BadValueError(f"budget.cycles must be at least 1, got {self.cycles}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """How children are trained; see `TrainConfig`.

    Attributes:
        precision: `fp32`, `bf16`, or `auto`: bf16 where the device computes with it natively.
        threads: CPU threads per job; 0 for all cores, or the cores' equal share of each worker; `measured`
            for the fastest number where the experiment begins.
        engine: `fast`, or `plain`, the reference that it is measured against.
        micro_batch: Images computed at once at most; 0 for the whole batch.
        checkpoint: Needs the fast engine.
        compile: False, True, or `graphs`; needs the fast engine.
        hopeless: In [0, 1]; 0 never ends a child early.
        val_first: 0 validates on all images after every cycle.
    """

    cycles: int = 4
    samples_cap: int = 51_200
    batch_size: int = 512
    val_cap: int = 5_120
    precision: str = "auto"
    threads: int | str = 0
    engine: str = "fast"
    micro_batch: int = 0
    checkpoint: bool = False
    compile: bool | str = False
    hopeless: float = 0.0
    val_first: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name in ("cycles", "samples_cap", "batch_size", "val_cap") and value < 1:
                raise BadValueError(f"train.{name} must be at least 1, got {value}.")
        _check_number("train.threads", self.threads, "all cores")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise BadValueError(f"train.precision must be auto, fp32 or bf16, got {self.precision!r}.")
        if self.engine not in ("fast", "plain"):
            raise BadValueError(f"train.engine must be fast or plain, got {self.engine!r}.")
        if self.micro_batch < 0:
            raise BadValueError(
                f"train.micro_batch must not be negative, got {self.micro_batch}; 0 means the whole batch."
            )
        if not 0 <= self.hopeless <= 1:
            raise BadValueError(
                f"train.hopeless is a difference of accuracies in [0, 1], got {self.hopeless}; 0 means never."
            )
        if self.val_first < 0:
            raise BadValueError(f"train.val_first must not be negative, got {self.val_first}; 0 means all.")
        if self.checkpoint and self.engine == "plain":
            raise BadValueError(
                "train.checkpoint is for the fast engine: the plain one keeps all activations. Leave one out."
            )
        self._check_compile()

    def _check_compile(self) -> None:
        if self.compile not in (False, True, "graphs"):
            raise BadValueError(f'train.compile must be false, true or "graphs", got {self.compile!r}.')
        if self.compile and self.engine == "plain":
            raise BadValueError(
                "train.compile is for the fast engine: the plain one is the reference. Leave one out."
            )
        if self.compile == "graphs" and self.checkpoint:
            raise BadValueError(
                'train.compile = "graphs" keeps the memory of all layers, so train.checkpoint would save '
                "none. Leave one out, or set train.compile = true."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEntry:
    """A task to be learned: its name, where its images are, and how they are split.

    Attributes:
        allow_overlap: Accept splits that share images, as some published experiments did.
        private: Whether its models are never parents of other tasks' models.
        classes: Number of classes that the data must have; None for any.
    """

    name: str
    source: str
    train: str | None = None
    val: str | None = None
    test: str | None = None
    allow_overlap: bool = False
    private: bool = False
    classes: int | None = None

    def __post_init__(self) -> None:
        check_name("a task", self.name)
        if self.classes is not None and self.classes < 2:
            raise BadValueError(f"Task {self.name!r} needs at least two classes, got {self.classes}.")

    def splits(self) -> dict[str, str]:
        """The splits that are spelled out, by role."""
        given = {"train": self.train, "val": self.val, "test": self.test}
        return {role: text for role, text in given.items() if text is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """What is different for some of the tasks; what is None is the experiment's own.

    Attributes:
        tasks: Names.
        agent: Their search method; its `iterations` mean nothing, since all tasks have the same number.
        score: What it maximises.
        space: What it searches.
        defaults: Where its hyperparameters start.
        root: The model that theirs descend from; published when the system does not have it.
    """

    tasks: tuple[str, ...]
    agent: AgentSpec | None = None
    score: ScoreSpec | None = None
    space: SpaceSpec | None = None
    defaults: Mapping[str, HparamValue] | None = None
    root: RootSpec | None = None

    def __post_init__(self) -> None:
        if not self.tasks:
            raise BadValueError("A group needs at least one task.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSpec:
    """A whole experiment, as a TOML file says it.

    Attributes:
        name: Finds the experiment again in a store; a run of the same name is continued.
        seed: Every seed of the experiment derives from it.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        executor: A registered executor.
        workers: Jobs that it runs at the same time; 0 for as many as there are cores for, or GPUs;
            `measured` for the fastest number, at every start.
        schedule: How task iterations follow each other: `sequential`, `rounds` or `free`.
        defaults: Other default values for searched hyperparameters.
        suite: A registered suite, whose tasks come before `tasks`.
        sources: Where the data of the suite's tasks are, by task or as `default`; see `suites.binding`.
        groups: What is different for some tasks.
        limits: When it ends before its iterations do.
        resources: What a job needs of its machine, for executors that choose one.
    """

    name: str
    seed: int = 0
    device: str = "auto"
    executor: str = "inline"
    workers: int | str = 0
    schedule: str = "sequential"
    root: RootSpec = field(default_factory=RootSpec)
    agent: AgentSpec = field(default_factory=AgentSpec)
    score: ScoreSpec = field(default_factory=ScoreSpec)
    space: SpaceSpec = field(default_factory=SpaceSpec)
    budget: BudgetSpec = field(default_factory=BudgetSpec)
    train: TrainSpec = field(default_factory=TrainSpec)
    defaults: Mapping[str, HparamValue] = field(default_factory=dict)
    suite: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[TaskEntry, ...] = ()
    groups: tuple[GroupSpec, ...] = ()
    limits: Limits = field(default_factory=Limits)
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        check_name("an experiment", self.name)
        _check_number("workers", self.workers, "as many as there are cores for")
        if self.workers == MEASURED and self.train.threads == 0:
            raise BadValueError(
                'workers = "measured" may give another number at every start, and with train.threads = 0 '
                'results would depend on it. Set train.threads to "measured" or to a number.'
            )
        names = [task.name for task in self.tasks]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DuplicateNameError(f"tasks: {', '.join(repeated)} is named more than once.")
        if self.schedule == "rounds" and self.limits.seconds is not None:
            raise BadValueError(
                'limits.seconds would end a round at another place in every run; with schedule = "rounds" '
                "use limits.samples or limits.flops."
            )
        grouped = [name for group in self.groups for name in group.tasks]
        twice = sorted({name for name in grouped if grouped.count(name) > 1})
        if twice:
            raise DuplicateNameError(f"groups: task {', '.join(twice)} is in more than one group.")
        for name in grouped:
            if names and name not in names:
                raise UnknownNameError.of("task", name, names)

    def of_task(self, name: str) -> ExperimentSpec:
        """The experiment as it is for one task."""
        group = next((group for group in self.groups if name in group.tasks), None)
        if group is None:
            return self
        return replace(
            self,
            agent=replace(group.agent or self.agent, iterations=self.agent.iterations),
            score=group.score or self.score,
            space=group.space or self.space,
            defaults=self.defaults if group.defaults is None else group.defaults,
            root=group.root or self.root,
        )


def canonical(spec: ExperimentSpec) -> str:
    """The experiment as canonical JSON, for the record."""
    return json.dumps(_fields(spec), sort_keys=True, separators=(",", ":"))


def _fields(spec: ExperimentSpec) -> dict[str, Any]:
    """All settings; one that experiments of older versions did not have only where it says something."""
    fields = asdict(spec)
    if not spec.train.compile:
        del fields["train"]["compile"]
    return fields


def digest(spec: ExperimentSpec, precision: str, threads: int) -> str:
    """sha256 of all settings that a continued run must have in common with its beginning.

    More iterations and more tasks may be asked for later; where jobs run does not matter.

    Args:
        spec: The experiment.
        precision, threads: As resolved on this machine, since they decide the last bits.
    """
    fields = _fields(spec)
    train = {**fields["train"], "precision": precision, "threads": threads}
    where = ("device", "executor", "workers", "resources")
    for free in (*where, "name", "root", "suite", "sources", "tasks", "train", "limits"):
        del fields[free]
    del fields["agent"]["iterations"]
    text = json.dumps({**fields, "train": train}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
