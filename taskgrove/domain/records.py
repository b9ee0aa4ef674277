"""What is stored for ever: components, models, tasks, and the operations that commits carry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

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
    """

    name: TaskName
    source: str
    splits: Mapping[str, str]
    class_names: tuple[str, ...]
    sizes: Mapping[str, int]
    image_shape: tuple[int, int, int]
    fingerprint: str
    data: BlobId | None = None

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


def identified(model: Model) -> Model:
    """The model with its id: sha256 of the canonical JSON of its other fields."""
    fields = asdict(replace(model, id=UNIDENTIFIED))
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return replace(model, id=ModelId(hashlib.sha256(text.encode()).hexdigest()))


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


Operation = (
    AddRoot
    | AddTask
    | StartExperiment
    | BeginIteration
    | FinishChild
    | EndIteration
    | AddEvaluation
    | AddMetrics
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
        operation: What the commit does.
    """

    number: int
    previous: str
    id: CommitId
    time: float
    operation: Operation
    meters: Mapping[str, float] = field(default_factory=dict)
