"""Children per second with several worker processes on one machine or one GPU.

    TASKGROVE_DATA=/path/to/npz/files python -m benchmarks.workers --out workers_2cores

Every worker has a trainer of its own with the same root and data and trains children with other seeds, with
`--threads` threads each; the numbers of workers take turns. In other turns the same processes multiply
matrices that fit into a core's own cache, and share nothing: what they lose by each other's company then is
the machine's doing.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from time import perf_counter
from types import TracebackType
from typing import NamedTuple

import torch

from benchmarks.measure import DTYPES, interleaved, machine, parser, settle
from benchmarks.page import Page, Row, save
from benchmarks.system import load_data, make_system, trained
from taskgrove.domain.jobs import TrainConfig

LIMIT = "× one, products alone"
"""What the machine gives to processes that share nothing."""
EDGE = 384
"""Of the matrices: three of them have 1.7 MiB in float32."""


class Work(NamedTuple):
    """What a worker prepares itself for."""

    member: str
    data: str
    device: str
    config: TrainConfig


class Order(NamedTuple):
    """Children to train: how many, and their first trainable slots, in turn."""

    num_children: int
    firsts: tuple[str, ...]


class Products(NamedTuple):
    """An order that needs a core with its own cache, and nothing else."""

    num_products: int


def serve(orders: Connection, work: Work) -> None:
    """A worker's life: an order in, a word when its children are trained; None ends it."""
    torch.set_num_threads(work.config.threads)
    device = torch.device(work.device)
    system = make_system(work.member, load_data(work.data)[0])
    trainer = system.trainer(device)
    matrix = torch.ones(EDGE, EDGE, device=device, dtype=DTYPES[work.config.precision])
    orders.send("ready")
    seed = os.getpid() << 20
    while order := orders.recv():
        if isinstance(order, Products):
            for _ in range(order.num_products):
                torch.mm(matrix, matrix)
        else:
            for i in range(order.num_children):
                seed += 1
                trained(trainer, system.job(order.firsts[i % len(order.firsts)], work.config, seed))
        orders.send("done")


class Crew:
    """Workers that wait for orders.

    Args:
        size: How many.
        work: Of each.
    """

    def __init__(self, size: int, work: Work) -> None:
        context = get_context("spawn")
        self._workers: list[Connection] = []
        self._processes = []
        for _ in range(size):
            here, there = context.Pipe()
            process = context.Process(target=serve, args=(there, work), daemon=True)
            process.start()
            there.close()
            self._workers.append(here)
            self._processes.append(process)
        for worker in self._workers:
            worker.recv()

    def seconds(self, num_workers: int, order: Order | Products) -> float:
        """What some of the workers take, each for the same order at the same time."""
        start = perf_counter()
        for worker in self._workers[:num_workers]:
            worker.send(order)
        for worker in self._workers[:num_workers]:
            worker.recv()
        return perf_counter() - start

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker, process in zip(self._workers, self._processes, strict=True):
            if process.is_alive():
                worker.send(None)
            process.join()
            worker.close()


def children_per_second(
    crew: Crew, counts: Sequence[int], order: Order, repetitions: int, products: Products | None = None
) -> list[Row]:
    """A row per number of workers, with the ratio to one worker.

    Args:
        crew: At least as many as the largest number.
        counts: Numbers of workers, 1 among them.
        order: For each worker.
        repetitions: Turns of each number that count.
        products: For each worker in other turns, if it is to be known what the machine gives.
    """
    orders: list[Order | Products] = [order, products] if products else [order]
    runs = {(number, work): partial(crew.seconds, number, work) for number in counts for work in orders}
    times = interleaved(runs, repetitions)
    return [
        {
            "workers": float(number),
            "children/s": number * order.num_children / median(times[number, order]),
            "× one worker": number * median(times[1, order]) / median(times[number, order]),
            "low": number * order.num_children / max(times[number, order]),
            "high": number * order.num_children / min(times[number, order]),
            **(
                {LIMIT: number * median(times[1, products]) / median(times[number, products])}
                if products
                else {}
            ),
        }
        for number in counts
    ]


def up_to(most: int) -> tuple[int, ...]:
    """1, 2, 4, … and the most."""
    doubled = (1 << i for i in range(most.bit_length()))
    return tuple(sorted({*(count for count in doubled if count < most), most}))


def measure(arguments: argparse.Namespace) -> Page:
    """All numbers of workers in turns."""
    device = settle(arguments)
    conditions = machine(device, arguments.threads)
    config = TrainConfig(
        cycles=arguments.cycles,
        samples_cap=arguments.samples,
        batch_size=arguments.batch,
        val_cap=500,
        precision=arguments.precision,
        threads=arguments.threads,
    )
    work = Work(member=arguments.member, data=arguments.data, device=str(device), config=config)
    order = Order(num_children=arguments.children, firsts=tuple(arguments.first.split(",")))
    with Crew(arguments.workers, work) as crew:
        rows = children_per_second(
            crew, up_to(arguments.workers), order, arguments.repetitions, Products(arguments.products)
        )
    return Page(
        title=f"Children of {arguments.member} per second against the number of workers",
        conditions={
            **conditions,
            "data": load_data(arguments.data)[1],
            "children": f"{arguments.children} per worker and turn, first trainable {arguments.first}; "
            f"{arguments.cycles} cycles of {arguments.samples} images, batch {arguments.batch}, "
            f"{arguments.precision}",
        },
        tables={"Throughput": rows},
        notes=[
            f"Median of {arguments.repetitions} turns, with the range. Each worker has its own memory. "
            f"`{LIMIT}`: the same processes in other turns, with products of matrices that fit into a core's "
            "own cache.",
        ],
    )


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.set_defaults(threads=1)
    reader.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="at most")
    reader.add_argument("--member", default="vit-ti3")
    reader.add_argument("--data", default="auto", help="kmnist, digits or noise")
    reader.add_argument("--precision", default="bf16")
    reader.add_argument("--first", default="embedding", help="first trainable slots, with commas")
    reader.add_argument("--children", type=int, default=4, help="per worker and turn")
    reader.add_argument(
        "--products", type=int, default=12_000, help="of a worker that multiplies matrices only"
    )
    reader.add_argument("--cycles", type=int, default=2)
    reader.add_argument("--samples", type=int, default=2048)
    reader.add_argument("--batch", type=int, default=512)
    arguments = reader.parse_args(given)
    save(measure(arguments), arguments.out)


if __name__ == "__main__":
    main()
