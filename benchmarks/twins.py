"""Does a task bind to its twin? Pixel orders come twice, with different images (004, §3: binding).

    TASKGROVE_DATA=/path/to/npz/files python -m benchmarks.twins --out twins

Every task of the first half has MNIST's pixels in another random order; the second half has the same orders,
in another sequence, with images that the first half has not seen. A task that binds to its twin has found
the one other task whose layers mean the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import torch

import taskgrove
from benchmarks.measure import machine, parser
from benchmarks.page import Page, Row, save
from taskgrove.domain.records import FinishChild
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, RootSpec, TaskEntry, TrainSpec
from taskgrove.experiment.variables import filled

_SOURCE = "permuted:npz:${TASKGROVE_DATA}/mnist.npz"


def order(number: int, seed: int) -> list[int]:
    """The pixel orders of the second half."""
    return Random(seed).sample(range(number), number)


def tasks(number: int, seed: int, images: int) -> tuple[TaskEntry, ...]:
    """Both halves."""
    first = [(f"order_{i}", i, 0) for i in range(number)]
    twins = [(f"twin_{i}", i, images) for i in order(number, seed)]
    return tuple(
        TaskEntry(
            name=name,
            source=filled(f"{_SOURCE}:{10 * seed + i}"),
            train=f"train[{start}:{start + images}]",
            val=f"train[{50_000 + start // 10}:{50_000 + start // 10 + 1000}]",
            test="test",
        )
        for name, i, start in [*first, *twins]
    )


def spec(arguments: argparse.Namespace, measure: str, seed: int) -> ExperimentSpec:
    """Bind-and-grow with frozen shared layers, so that binding alone is looked at."""
    agent = AgentSpec(
        method="bind_grow",
        iterations=1,
        options={"delta": arguments.delta, "shared_lr_scale": 0.0, "measure": measure},
    )
    train = TrainSpec(cycles=4, samples_cap=4096, batch_size=64, precision="fp32", threads=1)
    found = tasks(arguments.tasks, seed, arguments.images)
    return ExperimentSpec(
        name="twins",
        seed=seed,
        device="cpu",
        root=RootSpec(member=arguments.member, seed=seed),
        agent=agent,
        train=train,
        defaults={"opt.lr": 0.05},
        tasks=found,
    )


def bound(arguments: argparse.Namespace, measure: str, seed: int, folder: Path) -> Row:
    """How many tasks of the second half bind to their twins."""
    experiment = spec(arguments, measure, seed)
    grove = taskgrove.run(experiment, folder / f"{measure}_{seed}")
    chosen = {
        str(child.task): next(
            name.removeprefix("bind:") for name in child.mutations if name.startswith("bind:")
        )
        for commit in grove.store.history()
        if isinstance(child := commit.operation, FinishChild) and child.generation == 1
    }
    twins = [f"twin_{i}" for i in range(arguments.tasks)]
    right = sum(chosen[twin] == twin.replace("twin", "order") for twin in twins)
    return {
        "measure": measure,
        "seed": str(seed),
        "twins": len(twins),
        "bound to their twin": right,
        "bound to others": ", ".join(
            f"{twin} to {chosen[twin]}" for twin in twins if chosen[twin] != twin.replace("twin", "order")
        )
        or "none",
    }


def main(given: list[str] | None = None) -> None:
    """Read the command line, grow, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--tasks", type=int, default=10, help="in each half")
    reader.add_argument("--images", type=int, default=10_000, help="that a task learns from")
    reader.add_argument("--delta", type=float, default=0.5, help="the grow coefficient")
    reader.add_argument("--member", default="mlp-128")
    reader.add_argument("--measures", nargs="+", default=["rsa", "cka"])
    reader.add_argument("--seeds", default="0,1,2", help="with commas")
    arguments = reader.parse_args(given)
    conditions = machine(torch.device("cpu"), 1)
    seeds = [int(word) for word in arguments.seeds.split(",")]
    with TemporaryDirectory(prefix="taskgrove-") as folder:
        rows = [bound(arguments, m, seed, Path(folder)) for m in arguments.measures for seed in seeds]
    page = Page(
        title=f"Twins among {2 * arguments.tasks} tasks of permuted MNIST",
        conditions={**conditions, "member": arguments.member, "images per task": arguments.images},
        tables={"Binding": rows},
        notes=["The second half comes in a random sequence; its images are others than those of the first."],
    )
    save(page, arguments.out)


if __name__ == "__main__":
    main()
