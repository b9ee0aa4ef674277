"""What is stored for ever: components, models, tasks, and the operations that commits carry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import AgentName, BlobId, CommitId, ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import JobFailed, TrainResult


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A task as the system remembers it: where its data comes from and what it looked like.

    Attributes:
        name: Unique in the system.
        source: Source and argument, e.g. `npz:/data/mnist.npz`; reading it again gives the same data.
        splits: Split expression by role (`train`, `val`, `test`) in TensorFlow Datasets' grammar.
        class_names: One per label, in the order of the labels.
        sizes: Number of images by role.
        image_shape: Height, width and channels (1 or 3) of the stored images.
        fingerprint: sha256 over images and labels of all roles; refuses data that has changed.
        data: Blob that holds the data itself, for tasks given as arrays; otherwise None.
        private: Whether its models are never parents of other tasks' models.
    """

    name: TaskName
    source: str
    splits: Mapping[str, str]
    class_names: tuple[str, ...]
    sizes: Mapping[str, int]
    image_shape: tuple[int, int, int]
    fingerprint: str
    data: BlobId | None = None
    private: bool = False

    @property
    def num_classes(self) -> int:
        """Width of the task's head."""
        return len(self.class_names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A parameter group in a model's slot; its bytes are immutable once published.

    Attributes:
        slot: Where it sits in this model.
        kind: The slot's kind.
        id: Hash of its bytes; equal ids are the same component.
        num_params: Number of parameters.
        momentum: Blob of the optimiser's momentum at the same moment, if it was trained with one.
        cycles: Training cycles it has received, by task, over its whole ancestry.
        last_task: The task that trained it last; None for a root's component.
    """

    slot: SlotName
    kind: str
    id: ComponentId
    num_params: int
    momentum: BlobId | None = None
    cycles: Mapping[TaskName, int] = field(default_factory=dict)
    last_task: TaskName | None = None


UNIDENTIFIED = ModelId("")
"""The id of a model before `identified`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Ordered components with everything needed to run, explain and continue them.

    Attributes:
        id: Hash of all other fields; fill it with `identified`.
        member: The backbone, e.g. `vit-ti3`.
        task: None for a root model.
        num_classes: Width of the head.
        components: In the order in which data flows through them.
        hparams: Hyperparameters it was trained with, by dotted name.
        mu: Mutation probability by mutation; entries that never moved are absent (µ2Net+, §3).
        parent: None for a root model.
        agent: The method that made it; None for a root model.
        iteration, generation, child: Its position in the search.
        seed: Of its training.
        mutations: Applied to the parent, each with the probability that drew it; 1 for what the
            method always does.
        quality: Best validation accuracy in [0, 1]; 0 for a root model.
        flops: Of one image's forward pass.
        samples: Training images spent on it, its ancestors not counted.
        train_flops: Floating-point operations spent on it, validations included, likewise.
        code_version: Of Taskgrove.
    """

    member: str
    num_classes: int
    components: tuple[Component, ...]
    hparams: Mapping[str, HparamValue]
    id: ModelId = UNIDENTIFIED
    task: TaskName | None = None
    mu: Mapping[str, float] = field(default_factory=dict)
    parent: ModelId | None = None
    agent: AgentName | None = None
    iteration: int = 0
    generation: int = 0
    child: int = 0
    seed: int = 0
    mutations: Mapping[str, float] = field(default_factory=dict)
    quality: float = 0.0
    flops: int = 0
    samples: int = 0
    train_flops: int = 0
    code_version: str = ""

    @property
    def num_params(self) -> int:
        """Number of distinct parameters it uses."""
        return sum({c.id: c.num_params for c in self.components}.values())

    def component(self, slot: SlotName) -> Component | None:
        """The component in `slot`, or None when the model has no such slot."""
        return next((c for c in self.components if c.slot == slot), None)


_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in (Model, Component)}
_VALUES = {kind: attrgetter(*names) for kind, names in _FIELDS.items()}


def _named(record: object) -> dict[str, object]:
    """A model's or a component's values by field, not copied: `asdict` takes five times as long."""
    kind = type(record)
    if kind not in _FIELDS:
        raise TypeError(f"a {kind.__name__} is not JSON")
    return dict(zip(_FIELDS[kind], _VALUES[kind](record), strict=True))


def identity_of(model: Model) -> ModelId:
    """sha256 of the canonical JSON of all fields of a model but its id."""
    named = _named(model) | {"id": UNIDENTIFIED}
    text = json.dumps(named, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_named)
    return ModelId(hashlib.sha256(text.encode()).hexdigest())


def identified(model: Model) -> Model:
    """The model with its id."""
    return replace(model, id=identity_of(model))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Accuracy of a published model on a split that no agent sees."""

    model: ModelId
    task: TaskName
    split: str
    accuracy: float
    num_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRoot:
    """Operation: publish a root model."""

    model: Model


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTask:
    """Operation: a task arrives."""

    task: TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StartExperiment:
    """Operation: what will be grown, so that an interrupted run can be continued.

    Attributes:
        experiment: Unique name; `grow` numbers its own.
        digest: Of everything in `spec` that changes results; a continued run must agree.
        spec: The experiment as canonical JSON.
        iterations: Task iterations asked for, per task.
        tasks: In the order in which a round visits them.
    """

    experiment: str
    digest: str
    spec: str
    iterations: int
    tasks: tuple[TaskName, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginIteration:
    """Operation: an agent starts a task iteration; its view is the state at this commit."""

    experiment: str
    agent: AgentName
    task: TaskName
    iteration: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRound:
    """Operation: an iteration of each of several tasks begins, all with the same view (002).

    Written once, by whoever comes first; each iteration is then gone on with by the agent of its task.

    Attributes:
        experiment: Which.
        agents: Who will carry out the iteration of each task.
        iterations: Its number, by task.
    """

    experiment: str
    agents: Mapping[TaskName, AgentName]
    iterations: Mapping[TaskName, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishChild:
    """Operation: a child's training ended; accepted children are published with their model.

    Attributes:
        parent: Counted as one more selection of this model for the task, accepted or not.
        score: By the agent's scoring at the view of the iteration; None when training failed.
        model: The published model when accepted.
        result: What the trainer returned, so that a restarted agent can be told again.
        failure: Instead of `result`.
    """

    experiment: str
    agent: AgentName
    task: TaskName
    iteration: int
    generation: int
    child: int
    seed: int
    parent: ModelId
    mutations: Mapping[str, float]
    score: float | None
    model: Model | None = None
    result: TrainResult | None = None
    failure: JobFailed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishProbe:
    """Operation: two models of an open iteration were compared layer by layer, to choose by (004, §3).

    Attributes:
        models: The task's own and the other task's, both live.
        other: The task that the second belongs to.
        measure: Of dissimilarity, by its registered name.
        split, num_samples: The task's images that they were compared on.
        conflicts: Dissimilarity of each layer, in the order of the own model.
    """

    experiment: str
    agent: AgentName
    task: TaskName
    iteration: int
    models: tuple[ModelId, ModelId]
    other: TaskName
    measure: str
    split: str
    num_samples: int
    conflicts: Mapping[SlotName, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndIteration:
    """Operation: the best model of the iteration becomes the task's model; the others retire."""

    experiment: str
    agent: AgentName
    task: TaskName
    iteration: int
    best: ModelId | None
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddEvaluation:
    """Operation: record an accuracy that agents never see."""

    evaluation: Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMetrics:
    """Operation: what the whole system is worth after a task iteration (000, §5); no agent sees it.

    Attributes:
        experiment, task, iteration: After which task iteration.
        values: By name: `tasks`, `mean_test_accuracy`, `params_per_task`, `mean_flops`, … .
    """

    experiment: str
    task: TaskName
    iteration: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Operation: models of one or several tasks become theirs, all of them or none (004).

    Attributes:
        experiment, agent, task, iteration: The open iteration that made them.
        models: One per task; its `task` says which.
        replaces: The published model of each of these tasks, or None, when the new ones were made; refused
            when another has been published since.
    """

    experiment: str
    agent: AgentName
    task: TaskName
    iteration: int
    models: tuple[Model, ...]
    replaces: Mapping[TaskName, ModelId | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Operation: from now on only the holder's commits may grow the task; the commit's number is its token.

    Attributes:
        task: What is claimed; an older claim of it ends.
        agent: Registered name of the agent that will work on it.
        holder: Who it is: host, process and a random part.
    """

    task: TaskName
    agent: AgentName
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """Operation: a commit gets a name for ever, and garbage collection keeps what is live there."""

    name: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Operation: a remark of a person or an agent, about a task or about the system.

    Attributes:
        text: Free.
        task: None for the whole system.
    """

    text: str
    task: TaskName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Operation: a task leaves the system; its name stays taken, and what only it used becomes garbage."""

    task: TaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class Condemn:
    """Operation: blobs that nobody may refer to again, under these names; a new epoch begins.

    Attributes:
        blobs: Each with the epoch of the name that is condemned.
        seen: Number of the newest commit when garbage was looked for; refused when a tag came after it.
        reason: The policy, for people.
    """

    blobs: tuple[tuple[BlobId, int], ...]
    seen: int
    reason: str


Operation = (
    AddRoot
    | AddTask
    | StartExperiment
    | BeginIteration
    | BeginRound
    | FinishChild
    | FinishProbe
    | EndIteration
    | AddEvaluation
    | AddMetrics
    | Publish
    | Claim
    | Tag
    | Note
    | Retire
    | Condemn
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One record of the log.

    Attributes:
        number: Gap-free position in the log, from 0.
        previous: sha256 of the previous record's bytes; "" for the first.
        id: Chosen by the writer; repeated after a lost reply, never used for anything else.
        time: Seconds since the epoch, UTC; informative only, order is `number`.
        meters: What it took where it was worked out: times in seconds (`train_s`, `device_s`, …) and counts;
            informative only.
        claim: Number of the commit that gave the writer its claim of the task; None without one.
        epoch: Its new blobs lie under names of this epoch.
        operation: What the commit does.
    """

    number: int
    previous: str
    id: CommitId
    time: float
    operation: Operation
    meters: Mapping[str, float] = field(default_factory=dict)
    claim: int | None = None
    epoch: int = 0


def published_by(commit: Commit) -> Iterator[Model]:
    """The models that a commit brings into the system."""
    match commit.operation:
        case AddRoot(model=model):
            yield model
        case FinishChild(model=model) if model is not None:
            yield model
        case Publish(models=models):
            yield from models
