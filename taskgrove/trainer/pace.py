"""How fast this machine takes the steps of a child, tried on noise for about a second."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from time import perf_counter

import torch

from taskgrove.backbones.assemble import Network, assemble
from taskgrove.backbones.families import family_of
from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.domain.layout import training_flops
from taskgrove.tasks.preprocess import RESOLUTION
from taskgrove.trainer.allocator import keep_freed_memory
from taskgrove.trainer.learner import AbstractLearner, Resident
from taskgrove.trainer.prefix.layers import Memory
from taskgrove.trainer.prefix.prefixes import Prefixes
from taskgrove.trainer.train import learner_of

CLASSES = 10
STEP_FLOPS = 50e9
"""Of a step on a CPU, at most; steps of large models are tried with fewer images."""
_CUDA_BYTES = 640 << 20
"""What CUDA keeps for itself in the memory of a GPU, per process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Steps to be tried.

    Attributes:
        member: The backbone, of which all layers are trained.
        hparams: Of the child, as pairs.
        config: Batch, precision and threads.
        device: Where it computes.
        seconds: How long; after two steps that do not count.
    """

    member: str
    hparams: tuple[tuple[str, HparamValue], ...]
    config: TrainConfig
    device: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What was found.

    Attributes:
        images_per_s: Of this process.
        peak_bytes: Of the memory where the child is computed, at most so far, for a whole batch.
        free_bytes: Left there for other processes; None where nobody can tell.
    """

    images_per_s: float
    peak_bytes: int
    free_bytes: int | None


def pace_of(trial: Trial) -> Pace:
    """Try steps in this process.

    Raises:
        RuntimeError: There is not enough memory.
    """
    keep_freed_memory()
    torch.set_num_threads(trial.config.threads)
    device, batch = torch.device(trial.device), tried_batch(trial)
    learner = _learner(trial, batch, device)
    _learn(learner, 1)
    small = _peak_bytes(device)
    _learn(learner, batch)
    begin, taken = perf_counter(), 0
    while not taken or perf_counter() - begin < trial.seconds:
        _learn(learner, batch)
        taken += 1
    rate = taken * batch / (perf_counter() - begin)
    peak = _peak_bytes(device)
    per_image = (peak - small) / max(1, batch - 1)
    whole = peak + int(per_image * (_whole_batch(trial) - batch))
    return Pace(images_per_s=rate, peak_bytes=whole, free_bytes=free_bytes(device))


def _learn(learner: AbstractLearner, images: int) -> None:
    """Take a step and wait for it, on a GPU too."""
    learner.learn([torch.arange(images)]).item()


def tried_batch(trial: Trial) -> int:
    """Images of a step: those of the child, or fewer where that would take long."""
    whole = _whole_batch(trial)
    if torch.device(trial.device).type == "cuda":
        return whole
    layout, hparams = family_of(trial.member).layout(trial.member), dict(trial.hparams)
    slots = [(layout.slot(name, hparams, CLASSES), True) for name in layout.root_slots()]
    return min(whole, max(2, int(STEP_FLOPS / max(1, training_flops(slots)))))


def _whole_batch(trial: Trial) -> int:
    """Images that the child computes at once."""
    config = trial.config
    return min(config.micro_batch or config.batch_size, config.batch_size)


def free_bytes(device: torch.device) -> int | None:
    """Memory that other processes can still have where a device computes; None where nobody can tell."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            sizes = dict(line.split(":", 1) for line in lines)
        return int(sizes["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError):
        return None


def _peak_bytes(device: torch.device) -> int:
    """The most that this process has held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) + _CUDA_BYTES
    if sys.platform == "win32":
        return 0
    import resource  # not there on Windows

    unit = 1 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _learner(trial: Trial, batch: int, device: torch.device) -> AbstractLearner:
    hparams = dict(trial.hparams)
    edge = int(hparams[RESOLUTION])
    noise = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch, edge, edge, 3), dtype=torch.uint8, generator=noise).to(device)
    labels = torch.arange(batch, device=device) % CLASSES
    data = Resident(train_images=images, train_labels=labels, val_images=images, val_labels=labels)
    memory = Memory(prefixes=Prefixes(0), data=TaskName("noise"), components={})
    config = replace(trial.config, batch_size=batch, micro_batch=0, cycles=1_000_000, compile=False)
    return learner_of(_network(trial, device), {}, data, memory, hparams, config, 0)


def _network(trial: Trial, device: torch.device) -> Network:
    """All layers trainable; their values do not matter."""
    family = family_of(trial.member)
    layout = family.layout(trial.member)
    slots = [layout.slot(name, dict(trial.hparams), CLASSES) for name in layout.root_slots()]
    tensors = {
        slot.name: {name: torch.full(shape, 0.01, device=device) for name, shape in slot.shapes.items()}
        for slot in slots
    }
    return assemble(family, slots, tensors, frozenset(tensors))
