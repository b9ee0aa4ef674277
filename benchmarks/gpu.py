"""All that is to be known of a GPU in one call of less than nine minutes.

    python -m benchmarks.gpu --out gpu_h100

Steps of T3 and B/16, plain, fast, compiled and as CUDA graphs, at their share of the device's peak, children
per second with 1 to 16 processes on the device, the cost of children against their first trainable layer, and
what the papers' budget would take. With `--tiny` it runs anywhere, in seconds with `--no-compiled`, to see
that it works.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch

from benchmarks import prefix, step, workers
from benchmarks.measure import DTYPES, interleaved, machine, parser, product_rate, settle, spread_ms
from benchmarks.page import Page, Row, save
from benchmarks.system import load_data, usual_hparams
from taskgrove.backbones.families import family_of
from taskgrove.domain.errors import EnvironmentFailure
from taskgrove.domain.jobs import TrainConfig
from taskgrove.domain.layout import training_flops
from taskgrove.trainer.compiled import check_compiler

TASKS, ITERATIONS, GENERATIONS, CHILDREN, CYCLES, IMAGES = 8, 5, 4, 8, 4, 51_200
"""Of the MCCB experiments (000, §4): at most so many images a cycle, fewer where a task has fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured.

    Attributes:
        steps: Member, resolution and batch of each step that is measured.
        member: Whose children are trained.
        data: Of the children.
        counts: Of processes.
        samples: Per cycle of a child.
        batch: Of the children.
    """

    steps: tuple[tuple[str, int, int], ...]
    member: str
    data: str
    counts: tuple[int, ...]
    samples: int
    batch: int


FULL = Size(
    steps=(("vit-ti3", 32, 512), ("vit-ti3", 32, 4096), ("vit-b", 80, 64), ("vit-b", 224, 64)),
    member="vit-ti3",
    data="noise:51200",
    counts=(1, 2, 4, 8, 16),
    samples=25_600,
    batch=512,
)
TINY = Size(
    steps=(("vit-tiny-test", 8, 16),),
    member="vit-tiny-test",
    data="noise:64",
    counts=(1,),
    samples=32,
    batch=16,
)


def step_rows(size: Size, arguments: argparse.Namespace, device: torch.device) -> list[Row]:
    """Each step with both engines, and compiled: time and share of the peak."""
    peak = product_rate(device, DTYPES[arguments.precision])
    rows: list[Row] = []
    for member, resolution, batch in size.steps:
        asked = argparse.Namespace(
            member=member,
            resolution=resolution,
            batch=batch,
            classes=10,
            edge=28,
            threads=arguments.threads,
        )
        names = step.ways(device, compiled=arguments.compiled and can_compile(device))
        runs = {name: step.own_steps(asked, name, arguments.precision, device) for name in names}
        first = {name: steps.seconds(1) for name, steps in runs.items()}
        times = interleaved(
            {name: partial(steps.seconds, 8) for name, steps in runs.items()}, arguments.repetitions
        )
        flops = batch * image_flops(member, resolution)
        rows += [
            {
                "step": f"{member}, {resolution} px, batch {batch}",
                "engine": engine,
                **spread_ms(seconds),
                "images/s": batch / median(seconds),
                "TFLOP/s": flops / median(seconds) / 1e12,
                "of peak %": 100 * flops / median(seconds) / peak,
                "first step, s": first[engine],
            }
            for engine, seconds in times.items()
        ]
    return rows


def can_compile(device: torch.device) -> bool:
    """Whether this machine has what it takes to compile layers."""
    try:
        check_compiler(device, how=True)
    except EnvironmentFailure:
        return False
    return True


def image_flops(member: str, resolution: int) -> int:
    """Of one image in a training step of all layers."""
    layout = family_of(member).layout(member)
    hparams = {**usual_hparams(member), "data.resolution": resolution}
    return training_flops([(layout.slot(name, hparams, 10), True) for name in layout.root_slots()])


def sibling_rows(
    size: Size, arguments: argparse.Namespace, kinds: Sequence[tuple[str, ...]]
) -> list[list[Row]]:
    """Children per second against the number of processes, for each mixture of first trainable slots."""
    config = TrainConfig(
        cycles=1,
        samples_cap=size.samples,
        batch_size=size.batch,
        val_cap=5_120,
        precision=arguments.precision,
        threads=1,
    )
    work = workers.Work(member=size.member, data=size.data, device=arguments.device, config=config)
    num_children = max(len(firsts) for firsts in kinds)
    orders = [workers.Order(num_children=num_children, firsts=firsts) for firsts in kinds]
    with workers.Crew(max(size.counts), work) as crew:
        return [workers.children_per_second(crew, size.counts, order, 2) for order in orders]


def budget_row(name: str, rows: list[Row], size: Size) -> Row:
    """The papers' budget at the best number of processes."""
    best = max(rows, key=lambda row: float(row["children/s"]))
    cycles = TASKS * ITERATIONS * GENERATIONS * CHILDREN * CYCLES
    rate = float(best["children/s"]) * size.samples
    return {
        "children": name,
        "processes": best["workers"],
        "images/s": rate,
        "million images at most": cycles * IMAGES / 1e6,
        "minutes": cycles * IMAGES / rate / 60,
    }


def measure(arguments: argparse.Namespace, size: Size) -> Page:
    """Steps, siblings, prefixes, and what follows for a whole run."""
    device = settle(arguments)
    conditions = machine(device, arguments.threads)
    arguments.device = str(device)
    steps = step_rows(size, arguments, device)
    firsts = prefix.firsts(size.member)
    full, mixed = sibling_rows(size, arguments, (firsts[:1], firsts))
    asked = argparse.Namespace(
        **{**vars(arguments), "member": size.member, "data": size.data, "cycles": 1, "val": 5_120},
        samples=size.samples,
        batch=size.batch,
    )
    prefixes, _ = prefix.measure(asked)
    cycle = f"one cycle of {size.samples} images, batch {size.batch}"
    return Page(
        title=f"Training on {conditions['device']}",
        conditions={
            **conditions,
            "precision": arguments.precision,
            "children": f"{size.member}, {load_data(size.data)[1]}, {cycle}",
        },
        tables={
            "One step, all layers trainable": steps,
            "Children that train all layers": full,
            f"Children that begin at {', '.join(firsts)}, in turn": mixed,
            **{f"Against the first trainable layer: {name}": rows for name, rows in prefixes.tables.items()},
            "The papers' budget on eight tasks, extrapolated": [
                budget_row("all train all layers", full, size),
                budget_row("first trainable layer evenly spread", mixed, size),
            ],
        },
        notes=[
            "FLOPs are the closed form for all layers; the fast engine computes less in its topmost block. "
            "Peak is a large matrix product measured here. The budget takes every cycle for full, so it is "
            "an upper bound, and is extrapolated from children of one cycle."
        ],
    )


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.set_defaults(repetitions=3, threads=min(4, os.cpu_count() or 1))
    reader.add_argument("--precision", default="bf16")
    reader.add_argument(
        "--compiled",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compiled steps, too, where there is a compiler",
    )
    reader.add_argument("--tiny", action="store_true", help="in seconds, anywhere")
    arguments = reader.parse_args(given)
    save(measure(arguments, TINY if arguments.tiny else FULL), arguments.out)


if __name__ == "__main__":
    main()
