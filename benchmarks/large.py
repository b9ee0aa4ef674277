"""The memory that one training step of a large model needs, all layers trainable.

    python -m benchmarks.large --member vit-l --resolution 384 --micro-batch 8,32 --out large_l384
    python -m benchmarks.large --device cpu --threads 1 --batch 2 --micro-batch 1,2 --out large_l384_cpu

Each setting is measured in a process of its own: on a GPU what PyTorch has allocated at most, on a CPU the
process's largest resident size, interpreter and libraries included.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import torch

from benchmarks.measure import machine, synchronise
from benchmarks.page import Page, Row, save
from benchmarks.step import network_of
from benchmarks.system import TASK, noise, usual_hparams
from taskgrove.backbones.assemble import Network
from taskgrove.domain.hparams import Hparams
from taskgrove.domain.jobs import TrainConfig
from taskgrove.experiment.build import build_device
from taskgrove.trainer.learner import AbstractLearner, Resident
from taskgrove.trainer.prefix.layers import Memory
from taskgrove.trainer.prefix.prefixes import Prefixes
from taskgrove.trainer.train import learner_of

GIB = 2.0**30
CLASSES = 10
CHECKPOINT: Mapping[str, tuple[bool, ...]] = {"on": (True,), "off": (False,), "both": (False, True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One measurement.

    Attributes:
        member, resolution: The model and its images.
        device: Where it is trained.
        whole_child: Also validate, and keep copies of two versions, as a search does.
        config: How it is trained.
    """

    member: str
    resolution: int
    device: str
    whole_child: bool
    config: TrainConfig


def learner(setting: Setting, network: Network, hparams: Hparams, device: torch.device) -> AbstractLearner:
    """What trains the model on random images."""
    data = noise(setting.config.batch_size, setting.resolution, CLASSES, channels=3)
    images, labels = (torch.from_numpy(a).to(device) for a in (data.train.images, data.train.labels))
    resident = Resident(train_images=images, train_labels=labels, val_images=images, val_labels=labels)
    memory = Memory(prefixes=Prefixes(0), data=TASK, components={})
    return learner_of(network, {}, resident, memory, hparams, setting.config, 0)


def measured(setting: Setting) -> Row:
    """One step and the memory that it took at most; to be called in a new process."""
    torch.set_num_threads(setting.config.threads)
    device = build_device(setting.device)
    hparams = {**usual_hparams(setting.member), "data.resolution": setting.resolution}
    network = network_of(setting.member, hparams, CLASSES, device)
    trained = learner(setting, network, hparams, device)
    start = perf_counter()
    loss = float(trained.learn([torch.arange(setting.config.batch_size)]))
    synchronise(device)
    step_s = perf_counter() - start
    kept = [
        (trained.num_correct(setting.config.batch_size), trained.snapshot())
        for _ in range(2 * setting.whole_child)
    ]
    return {
        "micro-batch": float(setting.config.micro_batch),
        "checkpoint": str(setting.config.checkpoint),
        "peak, GiB": peak_bytes(device) / GIB,
        "step, s": step_s,
        "loss": loss,
        "versions kept": float(len(kept)),
    }


def peak_bytes(device: torch.device) -> int:
    """The most that this process has held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def settings_of(arguments: argparse.Namespace) -> list[Setting]:
    """Every micro-batch with and without checkpoints, as asked for."""
    return [
        Setting(
            member=arguments.member,
            resolution=arguments.resolution,
            device=arguments.device,
            whole_child=arguments.whole_child,
            config=TrainConfig(
                batch_size=arguments.batch,
                precision=arguments.precision,
                threads=arguments.threads,
                micro_batch=micro_batch,
                checkpoint=checkpoint,
            ),
        )
        for micro_batch in map(int, arguments.micro_batch.split(","))
        for checkpoint in CHECKPOINT[arguments.checkpoint]
    ]


def measure(arguments: argparse.Namespace) -> Page:
    """One row per setting."""
    rows = []
    for setting in settings_of(arguments):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as new_process:
            rows.append(new_process.submit(measured, setting).result())
    device = build_device(arguments.device)
    where = "allocated on the GPU" if device.type == "cuda" else "resident size of the process"
    return Page(
        title=f"Memory of a step of {arguments.member}, {arguments.resolution} px, batch {arguments.batch}",
        conditions={**machine(device, arguments.threads), "precision": arguments.precision},
        tables={f"Peak ({where})": rows},
        notes=[
            "All layers are trainable, on random images. A micro-batch of 0 is the whole batch at once. Kept "
            "versions are what a search keeps of the best and the newest cycle: parameters and momentum.",
        ],
    )


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    reader.add_argument("--out", type=Path, required=True, help="without suffix")
    reader.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    reader.add_argument("--threads", type=int, default=1, help="of a process")
    reader.add_argument("--member", default="vit-l")
    reader.add_argument("--resolution", type=int, default=384)
    reader.add_argument("--batch", type=int, default=128)
    reader.add_argument("--micro-batch", default="0,8,32", help="sizes, separated by commas")
    reader.add_argument("--checkpoint", choices=tuple(CHECKPOINT), default="both")
    reader.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    reader.add_argument("--whole-child", action="store_true", help="also validate and keep two versions")
    arguments = reader.parse_args(given)
    save(measure(arguments), arguments.out)


if __name__ == "__main__":
    main()
