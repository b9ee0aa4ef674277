"""Resident memory while many tasks are grown, against a bound; and over many children, which must not grow.

    python -m benchmarks.memory --tasks 100 --children 1000 --out memory_2cores

uses the tiny backbone, so that what is kept per task and per child shows, not what a child computes with.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure

import taskgrove
from benchmarks.measure import machine, parser, settle
from benchmarks.page import Page, Row, save
from benchmarks.system import System, make_system, noise, trained, usual_hparams
from taskgrove.backbones.families.vit.members import layout_of
from taskgrove.domain.jobs import TrainConfig
from taskgrove.experiment.spec import TrainSpec
from taskgrove.reports.drawing.look import CATEGORIES
from taskgrove.store.backends import open_backend
from taskgrove.trainer.run import CACHE_BYTES

MEMBER = "vit-tiny-test"
EDGE, CLASSES = 8, 3
GENERATION = {"generations": 1, "children": 2}
MARGIN_MB = 64.0
"""For code that is loaded late, and for memory that the allocator keeps without using it."""
MIB = 1 << 20


def resident_mb() -> float:
    """Resident memory of this process, in MiB."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return peak_mb()
    return int(statm.read_text().split()[1]) * resource.getpagesize() / MIB


def peak_mb() -> float:
    """The most that has ever been resident."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB


def train_children(
    system: System, device: torch.device, num_children: int, read: Callable[[], float] = resident_mb
) -> list[tuple[int, float]]:
    """Train and write children, of every kind in turn; memory in MiB by number of children, read rarely.

    Args:
        system: Whose root they descend from.
        device: Where they are trained.
        num_children: In one trainer.
        read: Tells the memory.
    """
    trainer = system.trainer(device)
    config = TrainConfig(cycles=2, batch_size=16, samples_cap=48, val_cap=30, precision="fp32", threads=1)
    firsts = ("embedding", "block_0", "block_1", "head")
    every = max(1, num_children // 100)
    seen = []
    for child in range(num_children):
        trained(trainer, system.job(firsts[child % len(firsts)], config, seed=child, bar=0.0))
        if child % every == 0:
            seen.append((child + 1, read()))
    return seen


def grow_tasks(folder: Path, num_tasks: int, images: int, device: str) -> list[tuple[int, float]]:
    """Grow a model for each of many tasks in one run; memory by number of children."""
    grove = taskgrove.create(folder, root=MEMBER)
    for i in range(num_tasks):
        rng = np.random.default_rng(i)
        labels = np.arange(images) % CLASSES
        pictures = rng.integers(0, 180, (images, EDGE, EDGE, 1), dtype=np.uint8)
        pictures[np.arange(images), 2 * labels] += 70
        grove.add_task(f"task{i}", taskgrove.arrays(pictures, labels), SPLITS)
    seen: list[tuple[int, float]] = []
    grove.grow(
        iterations=1,
        train=TrainSpec(cycles=1, samples_cap=images, batch_size=16, precision="fp32", threads=1),
        device=device,
        options=GENERATION,
        observe=lambda event: seen.append((event.done, resident_mb())),
    )
    return seen


SPLITS = {"train": "train[:60%]", "val": "train[60%:80%]", "test": "train[80%:]"}


def bound_of(num_tasks: int, images: int, base_mb: float) -> list[Row]:
    """What may be resident, item by item, in MiB."""
    layout, hparams = layout_of(MEMBER), usual_hparams(MEMBER)
    children = num_tasks * GENERATION["generations"] * GENERATION["children"]
    slots = [layout.slot(name, hparams, CLASSES) for name in layout.root_slots()]
    component_bytes = 4 * sum(slot.num_params for slot in slots)
    tokens = layout.num_tokens(int(hparams["data.resolution"]))
    activations = min(CACHE_BYTES, children * images * tokens * layout.width * 4)
    return [
        {"what": "the process after one task", "MiB": base_mb},
        {"what": "images, read and on the device", "MiB": 2 * num_tasks * images * (EDGE**2 + 8) / MIB},
        {"what": "components and momentum of all children", "MiB": 2 * children * component_bytes / MIB},
        {"what": "activations of frozen layers, for every child its own", "MiB": activations / MIB},
        {"what": "margin", "MiB": MARGIN_MB},
    ]


class Curve(NamedTuple):
    """Memory by number of children, beside what it would be if so much were kept of every child.

    Attributes:
        kept: What.
        kept_mb: Its size, per child.
    """

    title: str
    seen: Sequence[tuple[int, float]]
    kept: str
    kept_mb: float


def draw(curves: Sequence[Curve]) -> Figure:
    """Growth of memory against children, a panel per experiment."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    row = figure.subplots(1, len(curves), squeeze=False)[0]
    for axes, curve, color in zip(row, curves, CATEGORIES, strict=False):
        children = [x for x, _ in curve.seen]
        axes.plot(children, [y - curve.seen[0][1] for _, y in curve.seen], color=color, label="measured")
        axes.plot(children, [x * curve.kept_mb for x in children], "--", color="#808080", label=curve.kept)
        axes.set_title(curve.title, fontsize=10)
        axes.set_xlabel("children trained")
        axes.set_ylabel("memory above the beginning (MiB)")
        axes.legend(fontsize=8, frameon=False)
        axes.grid(color="#eeeeee")
        axes.set_axisbelow(True)
    return figure


def measure(arguments: argparse.Namespace, folder: Path) -> tuple[Page, Figure]:
    """Tasks first, then children."""
    device = settle(arguments)
    conditions = machine(device, arguments.threads)
    grow_tasks(folder / "one", 1, arguments.images, str(device))
    base = resident_mb()
    tasks = grow_tasks(folder / "many", arguments.tasks, arguments.images, str(device))
    bound = bound_of(arguments.tasks, arguments.images, base)
    allowed, peak = sum(float(row["MiB"]) for row in bound), peak_mb()
    data = noise(96, EDGE, CLASSES)
    system = make_system(MEMBER, data, open_backend(str(folder / "children")))
    children = train_children(system, device, arguments.children)
    warm, last = children[len(children) // 10][1], children[-1][1]
    page = Page(
        title=f"Memory over {arguments.tasks} tasks and over {arguments.children} children",
        conditions={**conditions, "member": MEMBER},
        tables={
            "Growing tasks": [
                {"peak, MiB": peak, "bound, MiB": allowed, "within": "yes" if peak <= allowed else "no"}
            ],
            "The bound": bound,
            "Training children": [
                {
                    "after a tenth, MiB": warm,
                    "at the end, MiB": last,
                    "growth per child, KiB": 1024 * (last - warm) / max(1, 0.9 * arguments.children),
                }
            ],
        },
        notes=[
            "The bound says what a run may hold: its tasks' images twice, every component that it has "
            f"written, and activations that are remembered, the latter up to {CACHE_BYTES >> 30} GiB. "
            "Children are written to a store on disk, which remembers the ids of all that it has "
            "written: about a KiB per child."
        ],
    )
    curves = (
        Curve(
            title=f"growing {arguments.tasks} tasks",
            seen=tasks,
            kept="what a run may hold",
            kept_mb=(allowed - base - MARGIN_MB) / tasks[-1][0],
        ),
        Curve(
            title=f"{arguments.children} children of one root",
            seen=children,
            kept="a copy of every child's parameters",
            kept_mb=4 * system.root.num_params / MIB,
        ),
    )
    return page, draw(curves)


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.set_defaults(threads=1)
    reader.add_argument("--tasks", type=int, default=100)
    reader.add_argument("--children", type=int, default=1000)
    reader.add_argument("--images", type=int, default=160, help="of a task")
    arguments = reader.parse_args(given)
    with TemporaryDirectory(prefix="taskgrove-") as folder:
        page, picture = measure(arguments, Path(folder))
    save(page, arguments.out, picture)


if __name__ == "__main__":
    main()
