"""What the trainer is asked to do and what it answers: ids and numbers, never tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import AgentName, BlobId, ComponentId, ModelId, SlotName, TaskName


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Use a published component as it is: frozen, no gradient."""

    component: ComponentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """Train a copy of a published component, with its momentum when it has one.

    Attributes:
        resize: Resample the copy to the slot's shape (position embedding at another resolution);
            its momentum then starts at zero.
        rate: Factor of its learning rate, in (0, 1] (004, §4).
    """

    component: ComponentId
    momentum: BlobId | None = None
    resize: bool = False
    rate: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """Train a newly initialised component (a head, an adapter)."""


Origin = Share | Clone | Fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How every child of an experiment is trained; part of the experiment, never searched.

    Attributes:
        cycles: Train cycles per child; each ends with a validation (000, Algorithm 1, line 27).
        samples_cap: Training images per cycle at most; a cycle is min(one epoch, this).
        batch_size: Images per step.
        val_cap: Validation images used for selection at most, the first of the split.
        precision: `fp32` or `bf16` (fp32 master weights, bf16 arithmetic).
        threads: CPU threads per job; part of the experiment since float sums depend on it.
        engine: `fast`, or `plain`: the reference, which computes every layer in every step.
        micro_batch: Images computed at once at most, for memory; 0 for the whole batch. A step is
            that of the whole batch, up to rounding.
        checkpoint: Compute a layer's activations again in the backward pass instead of keeping them;
            `fast` only.
        compile: Compile each layer's part of a step, once per kind of layer and shape; with `graphs` replay
            it as a CUDA graph, too; `fast` only.
        hopeless: End a child whose best accuracy is lower than its bar by more than this; 0 for never,
            as in the papers.
        val_first: Validation images after the cycles of the first half, whose versions are then not
            kept; 0 for all images, as in the papers.
    """

    cycles: int = 4
    samples_cap: int = 51_200
    batch_size: int = 512
    val_cap: int = 5_120
    precision: str = "fp32"
    threads: int = 2
    engine: str = "fast"
    micro_batch: int = 0
    checkpoint: bool = False
    compile: bool | str = False
    hopeless: float = 0.0
    val_first: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """Train one child.

    Attributes:
        agent, task, iteration, generation, child: Its position in the search.
        member: The backbone.
        slots: Slot names in order, each with where its parameters come from.
        num_classes: Width of the head.
        hparams: Of optimiser, preprocessing and architecture, by dotted name.
        seed: Of initialisation, data order and augmentation.
        bar: Least validation accuracy worth keeping; below it nothing is written.
        factor: The agent's cost factor: score = quality x factor.
        config: See `TrainConfig`.
        parent: Whose child it is.
        strict: Of versions of equal accuracy keep the first, as muNet does, instead of the newest.
        mutations: Applied to the parent, each with the probability that drew it; for the record.
        mu: The child's own mutation probabilities; for the record.
        flops: Of one image's forward pass.
    """

    agent: AgentName
    task: TaskName
    iteration: int
    generation: int
    child: int
    member: str
    slots: tuple[tuple[SlotName, Origin], ...]
    num_classes: int
    hparams: Mapping[str, HparamValue]
    seed: int
    bar: float
    factor: float
    config: TrainConfig
    parent: ModelId
    strict: bool = False
    mutations: Mapping[str, float] = field(default_factory=dict)
    mu: Mapping[str, float] = field(default_factory=dict)
    flops: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a job wrote for one trainable slot."""

    component: ComponentId
    momentum: BlobId | None
    num_params: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What training a child gave.

    Attributes:
        quality: Best validation accuracy over the cycles, in [0, 1]; the newest of equals.
        best_cycle: 1-based cycle that reached it; its parameters were kept.
        trained: What was written, by slot; empty when the bar was not reached.
        losses: Mean training loss of each cycle.
        accuracies: Validation accuracy after each cycle.
        samples: Training images used.
        val_samples: Images `quality` was measured on.
        flops: Floating-point operations spent, validations included; see `layout.training_flops`.
        saved: Optional savings that took effect: `hopeless`, training was ended early; `val_first`, the
            first cycles were validated on fewer images.
    """

    quality: float
    best_cycle: int
    trained: Mapping[SlotName, Trained]
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    samples: int
    val_samples: int
    flops: int = 0
    saved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed:
    """A child that could not be trained; data, not a crash.

    Attributes:
        kind: `diverged` (non-finite loss or logits), `out_of_memory` or `error`.
        text: What happened, in one or two sentences.
        seed: Of the job, to try it again.
        samples, flops: Spent until then, as in `TrainResult`, where that is known.
    """

    kind: str
    text: str
    seed: int
    samples: int = 0
    flops: int = 0


Outcome = TrainResult | JobFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A job with its outcome: what agents are told."""

    job: TrainJob
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeJob:
    """Compare what two published models make of the same images, layer by layer (004, §3).

    Attributes:
        task: Whose images.
        models: Both of the same backbone, live now or at commit `at`.
        split: Of the images; the first ones are taken.
        samples: At most so many.
        measure: A registered measure of dissimilarity.
        threads: CPU threads.
        at: Of the view in which they were chosen, since one may have been replaced meanwhile.
    """

    task: TaskName
    models: tuple[ModelId, ModelId]
    split: str = "val"
    samples: int = 512
    measure: str = "rsa"
    threads: int = 2
    at: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a comparison gave.

    Attributes:
        conflicts: Dissimilarity of each layer that both models have, in the order of the first.
        num_samples: Images that they were compared on.
    """

    conflicts: Mapping[SlotName, float]
    num_samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateJob:
    """Measure components put together as a model, published or not, on its task's validation images.

    Attributes:
        task: Whose images.
        member: The backbone.
        components: By slot, in order.
        num_classes: Width of the head.
        hparams: Of preprocessing and architecture.
        config: Its cap, precision and threads count, so that the number is like those of children.
    """

    task: TaskName
    member: str
    components: tuple[tuple[SlotName, ComponentId], ...]
    num_classes: int
    hparams: Mapping[str, HparamValue]
    config: TrainConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateResult:
    """What a validation gave.

    Attributes:
        quality: Accuracy in [0, 1]; 0 when a logit is not finite.
        num_samples: Images it was measured on.
    """

    quality: float
    num_samples: int


Study = ProbeJob | ValidateJob
"""What an agent may ask for besides children: nothing is trained, nothing is published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A study with what it gave."""

    study: Study
    result: ProbeResult | ValidateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateJob:
    """Measure a published model's accuracy on a split of its task, in float32.

    Attributes:
        model: Which.
        split: All of it, or the images from number `start` to before `stop`.
        threads: Of the CPU.
    """

    model: ModelId
    split: str
    threads: int = 2
    start: int = 0
    stop: int | None = None
