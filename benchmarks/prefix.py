"""What a child costs against its first trainable layer: plain, fast, and fast with remembered activations,
in memory and on disk.

    TASKGROVE_DATA=/path/to/npz/files python -m benchmarks.prefix --out prefix_2cores

trains children that share everything below their first trainable layer with the root, on kmnist or on the
digits of scikit-learn.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from matplotlib.figure import Figure

from benchmarks.measure import interleaved, machine, parser, settle, timed
from benchmarks.page import Page, Row, save
from benchmarks.system import System, load_data, make_system, trained, usual_hparams
from taskgrove.backbones.families import family_of
from taskgrove.domain.ids import SlotName
from taskgrove.domain.jobs import TrainConfig, TrainJob
from taskgrove.domain.layout import training_flops
from taskgrove.reports.drawing.look import CATEGORIES
from taskgrove.trainer.prefix.disk import Disk
from taskgrove.trainer.run import Trainer

PLAIN, FAST, WARM, DISK = "plain", "fast", "remembered", "from disk"
WAYS = (PLAIN, FAST, WARM, DISK)
DISK_BYTES = 8 << 30
Times = Mapping[tuple[str, str], Sequence[float]]
"""Seconds by way and first trainable slot."""


def firsts(member: str) -> tuple[str, ...]:
    """The slots that a child's training may begin at: embedding, up to four blocks, norm, head."""
    slots = family_of(member).layout(member).root_slots()
    blocks = [name for name in slots if name.startswith("block")]
    stride = -(-len(blocks) // 4)
    return ("embedding", *blocks[::stride], "norm", "head")


class Children:
    """Trains a child of one kind again and again; remembers what its steps alone took."""

    def __init__(self, trainer: Callable[[], Trainer], job: TrainJob, device: torch.device) -> None:
        self._trainer = trainer
        self._job = job
        self._device = device
        self.step_seconds: list[float] = []

    def seconds(self) -> float:
        """Train one; what it took, its validations included."""
        trainer = self._trainer()
        before = trainer.meters().get("learn_s", 0.0)
        spent = timed(partial(trained, trainer, self._job), self._device)
        self.step_seconds.append(trainer.meters()["learn_s"] - before)
        return spent


def measure_children(
    system: System, arguments: argparse.Namespace, device: torch.device, folder: Path
) -> tuple[Times, Times]:
    """Seconds of whole children and of their steps."""
    plain, fast, warm = (
        system.trainer(device),
        system.trainer(device, remember_bytes=0),
        system.trainer(device),
    )
    trainers: dict[str, Callable[[], Trainer]] = {
        PLAIN: lambda: plain,
        FAST: lambda: fast,
        WARM: lambda: warm,
        DISK: lambda: Trainer(system.store, lambda _: system.data, device, disk=Disk(folder, DISK_BYTES)),
    }
    children = {}
    for way in WAYS:
        config = config_of(arguments, "plain" if way == PLAIN else "fast")
        for first in firsts(arguments.member):
            children[way, first] = Children(trainers[way], system.job(first, config), device)
    runs: dict[tuple[str, str], Callable[[], float]] = {key: c.seconds for key, c in children.items()}
    whole = interleaved(runs, arguments.repetitions)
    return whole, {key: tuple(c.step_seconds[1:]) for key, c in children.items()}


def config_of(arguments: argparse.Namespace, engine: str) -> TrainConfig:
    """How the children are trained."""
    return TrainConfig(
        cycles=arguments.cycles,
        samples_cap=arguments.samples,
        batch_size=arguments.batch,
        val_cap=arguments.val,
        precision=arguments.precision,
        threads=arguments.threads,
        engine=engine,
    )


def needed(member: str, classes: int) -> dict[str, float]:
    """Arithmetic of a training step by first trainable slot, that of all layers being 1."""
    layout = family_of(member).layout(member)
    names, hparams = layout.root_slots(), usual_hparams(member)
    flops = {
        first: training_flops(
            [(layout.slot(n, hparams, classes), True) for n in names[names.index(SlotName(first)) :]]
        )
        for first in firsts(member)
    }
    return {first: spent / flops["embedding"] for first, spent in flops.items()}


def rows_of(times: Times, shares: Mapping[str, float]) -> list[Row]:
    """One row per first trainable slot; ratios of children that train all to the remembering one."""
    rows: dict[str, dict[str, str | float]] = defaultdict(dict)
    for first, share in shares.items():
        rows[first] = {"first trainable": first, "arithmetic above it": share}
        for way in WAYS:
            rows[first][f"{way}, ms"] = 1e3 * median(times[way, first])
        remembered = median(times[WARM, first])
        rows[first]["× remembered: plain all"] = median(times[PLAIN, "embedding"]) / remembered
        rows[first]["× remembered: fast all"] = median(times[FAST, "embedding"]) / remembered
    return list(rows.values())


def draw(steps: Times, shares: Mapping[str, float]) -> Figure:
    """Cost of a child's steps against its first trainable slot."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    names = list(shares)
    for way, color in zip(WAYS, CATEGORIES, strict=False):
        axes.plot(names, [1e3 * median(steps[way, n]) for n in names], "o-", color=color, label=way)
    whole = 1e3 * median(steps[FAST, "embedding"])
    bare = [whole * shares[name] for name in names]
    axes.plot(names, bare, "--", color="#808080", label="proportional to the arithmetic above")
    axes.set_yscale("log")
    axes.set_xlabel("first trainable layer")
    axes.set_ylabel("steps of a child (ms)")
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def measure(arguments: argparse.Namespace) -> tuple[Page, Figure]:
    """All kinds of children in all ways, in turns."""
    device = settle(arguments)
    conditions = machine(device, arguments.threads)
    data, about = load_data(arguments.data)
    with TemporaryDirectory(prefix="activations-") as name:
        system = make_system(arguments.member, data)
        whole, steps = measure_children(system, arguments, device, Path(name))
    shares = needed(arguments.member, len(data.class_names))
    page = Page(
        title=f"A child of {arguments.member} against its first trainable layer",
        conditions={
            **conditions,
            "data": about,
            "child": f"{arguments.cycles} cycles of at most {arguments.samples} images, batch "
            f"{arguments.batch}, {arguments.precision}, at most {arguments.val} images validated",
        },
        tables={"Steps": rows_of(steps, shares), "Whole children": rows_of(whole, shares)},
        notes=[
            f"Median of {arguments.repetitions} turns. `plain` is the reference engine, `fast` the fast one "
            "without memory, `remembered` the fast one whose older sibling has computed the activations of "
            "the frozen layers, `from disk` a new trainer for each child, as in a new process, that finds "
            "them on disk and reads data and components anew. The last columns: how many times as long a "
            "child takes that trains all layers. Whole children are steps, validations, reading components; "
            "nothing is written. "
            "`arithmetic above it` is what a step of the trainable layers costs, that of all layers being 1: "
            "what a child costs whose frozen layers are remembered, when only arithmetic counts.",
        ],
    )
    return page, draw(steps, shares)


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--member", default="vit-ti3")
    reader.add_argument("--data", default="auto", help="kmnist, digits or noise")
    reader.add_argument("--precision", default="bf16")
    reader.add_argument("--cycles", type=int, default=2)
    reader.add_argument("--samples", type=int, default=4096)
    reader.add_argument("--batch", type=int, default=512)
    reader.add_argument("--val", type=int, default=500)
    arguments = reader.parse_args(given)
    page, picture = measure(arguments)
    save(page, arguments.out, picture)


if __name__ == "__main__":
    main()
