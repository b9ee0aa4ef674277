"""A pretraining as frozen data, read from a recipe in TOML."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from taskgrove.domain.errors import BadValueError, DuplicateNameError
from taskgrove.experiment.spec import TaskEntry
from taskgrove.experiment.tables import decode, located, read_table
from taskgrove.experiment.variables import filled

_POSITIVE = ("steps", "batch_size", "lr", "report_every", "checkpoint_every", "val_cap", "resolution")
_NOT_NEGATIVE = ("weight_decay", "threads")
_SHARES = ("warmup", "label_smoothing")
_PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainSpec:
    """A whole pretraining, as a recipe says it.

    Attributes:
        member: The backbone.
        tasks: Trained jointly, one head each; their training and validation images are used.
        resolution: Side of the prepared images in pixels, one of the backbone's.
        steps: Of AdamW.
        batch_size: Images per step, of all tasks mixed.
        lr: Peak learning rate.
        warmup: Share of the steps in which the learning rate rises; then it falls as a cosine.
        weight_decay: Of matrices.
        label_smoothing: Share of the target spread over the other classes of the task.
        strength: Of the random changes of the images; 1 is as designed, 0 leaves them out.
        val_cap: Validation images per task at most.
        report_every: Steps between validations.
        checkpoint_every: Steps between checkpoints.
        precision: `fp32`, `bf16`, or `auto`: bf16 where the device computes with it natively.
        threads: CPU threads; 0 for all cores.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        seed: Of everything random.
    """

    member: str
    tasks: tuple[TaskEntry, ...]
    steps: int
    resolution: int = 32
    batch_size: int = 256
    lr: float = 0.001
    warmup: float = 0.05
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    strength: float = 1.0
    val_cap: int = 200
    report_every: int = 1000
    checkpoint_every: int = 500
    precision: str = "auto"
    threads: int = 0
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        values = asdict(self)
        for name in _POSITIVE:
            if not values[name] > 0:
                raise BadValueError(f"{name} must be more than 0, got {values[name]}.")
        for name in _NOT_NEGATIVE:
            if not values[name] >= 0:
                raise BadValueError(f"{name} must not be negative, got {values[name]}.")
        for name in _SHARES:
            if not 0 <= values[name] < 1:
                raise BadValueError(
                    f"{name} is a share and must be at least 0 and below 1, got {values[name]}."
                )
        if not 0 <= self.strength <= 1:
            raise BadValueError(f"strength must be from 0 to 1, got {self.strength}.")
        if self.precision not in _PRECISIONS:
            raise BadValueError(f"precision must be {', '.join(_PRECISIONS)}, got {self.precision!r}.")
        if not self.tasks:
            raise BadValueError("tasks is empty; name at least one task to pretrain on.")
        names = [task.name for task in self.tasks]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise DuplicateNameError(f"tasks: {', '.join(repeated)} is named more than once.")


def read_recipe(path: Path) -> PretrainSpec:
    """The pretraining that a TOML file describes; `${NAME}` in a source is an environment variable.

    Raises:
        BadValueError: The file is missing, is not TOML, or a value is wrong; says where.
        UnknownNameError: A key is unknown; lists the known ones.
    """
    table = read_table(path)
    with located(str(path)):
        spec = decode(PretrainSpec, table, "recipe")
        tasks = tuple(replace(task, source=filled(task.source)) for task in spec.tasks)
        return replace(spec, tasks=tasks)


def digest(spec: PretrainSpec, precision: str, threads: int) -> str:
    """sha256 of all that a continued pretraining must have in common with its beginning.

    Args:
        spec: The recipe.
        precision, threads: As resolved on this machine, since they decide the last bits.
    """
    fields = {**asdict(spec), "precision": precision, "threads": threads}
    for free in ("device", "checkpoint_every"):
        del fields[free]
    for task in fields["tasks"]:
        del task["classes"]  # a check of the data, which decides nothing
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
