"""What a trainer costs beside its arithmetic: samples per second on a tiny MLP, against a bare PyTorch loop.

    python -m benchmarks.overhead --trainers-python /path/to/env/bin/python --out overhead_2cores

The MLP enters as another package's family would. Hugging Face's Trainer and Avalanche take part when they can
be imported in the environment of `benchmarks/peers/trainers.txt`; otherwise the page says why not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks.measure import interleaved, machine, parser, settle, spread_ms, timed
from benchmarks.page import Page, Row, save
from benchmarks.peer import Peer, PeerError
from benchmarks.system import make_system, noise, trained
from benchmarks.tiny_mlp import EDGE, HIDDEN, MEMBER, installed
from taskgrove.domain.jobs import TrainConfig
from taskgrove.tasks.base import TaskData

PEER_MODULE = "benchmarks.peers.mlp_trainers"
LIBRARIES = ("huggingface", "avalanche")
CLASSES = 10
PREPARED, BARE = "bare loop, images prepared beforehand", "bare loop"


class BareLoop:
    """The loop that one would write by hand: resident data, clipped SGD, a validation after each cycle.

    Args:
        data: Of the task.
        device: On which.
        arguments: Budget.
        prepared: Whether images become floats once, instead of in every step.
    """

    def __init__(
        self, data: TaskData, device: torch.device, arguments: argparse.Namespace, *, prepared: bool
    ) -> None:
        self._arguments = arguments
        self._device = device
        self._prepare: Callable[[Tensor], Tensor] = (lambda x: x) if prepared else as_floats
        first: Callable[[Tensor], Tensor] = as_floats if prepared else (lambda x: x)
        self._train, self._val = (
            (first(torch.from_numpy(part.images).to(device)), torch.from_numpy(part.labels).to(device))
            for part in (data.train, data.val)
        )

    def fit(self) -> None:
        """Train a new model."""
        model = nn.Sequential(
            nn.Linear(3 * EDGE * EDGE, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, CLASSES),
        ).to(self._device)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        for _ in range(self._arguments.cycles):
            self._cycle(model, optimizer)
            self._validate(model)

    def _cycle(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        images, labels = self._train
        order = torch.randperm(len(labels)).to(self._device)
        for index in torch.split(order, self._arguments.batch):
            loss = nn.functional.cross_entropy(model(self._prepare(images[index])), labels[index])
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def _validate(self, model: nn.Module) -> float:
        images, labels = self._val
        with torch.no_grad():
            return float((model(self._prepare(images)).argmax(1) == labels).float().mean())


def as_floats(images_u8: Tensor) -> Tensor:
    """(N, H, W, C) uint8 to (N, C·H·W) float32 in [-1, 1]."""
    return images_u8.permute(0, 3, 1, 2).flatten(1).float() / 127.5 - 1


def own_trainers(
    data: TaskData, device: torch.device, arguments: argparse.Namespace
) -> dict[str, Callable[[], float]]:
    """Our trainer with each engine, a whole child each time."""
    system = make_system(MEMBER, data)
    config = partial(
        TrainConfig,
        cycles=arguments.cycles,
        samples_cap=arguments.images,
        batch_size=arguments.batch,
        precision="fp32",
        threads=arguments.threads,
    )
    found: dict[str, Callable[[], float]] = {}
    for engine in ("fast", "plain"):
        job = system.job("embedding", config(engine=engine))
        child = partial(trained, system.trainer(device), job)
        found[f"Taskgrove {engine}"] = partial(timed, child, device)
    return found


def start_peers(
    arguments: argparse.Namespace, device: torch.device, stack: ExitStack
) -> tuple[dict[str, Callable[[], float]], list[str]]:
    """The libraries that can be imported, and what was said of the others."""
    asked = {name: vars(arguments)[name] for name in ("images", "batch", "threads")}
    model = {"inputs": 3 * EDGE * EDGE, "hidden": HIDDEN, "classes": CLASSES, "device": str(device)}
    found: dict[str, Callable[[], float]] = {}
    absent = []
    for library in LIBRARIES:
        wanted = {"library": library, **asked, **model}
        try:
            peer = stack.enter_context(Peer(arguments.trainers_python, PEER_MODULE, wanted, {}))
        except PeerError as error:
            absent.append(f"{library} took no part: {error}")
        else:
            found[peer.about] = partial(peer.seconds, epochs=arguments.cycles)
    return found, absent


def measure(arguments: argparse.Namespace) -> Page:
    """All loops in turns."""
    device = settle(arguments)
    conditions = machine(device, arguments.threads)
    data = noise(arguments.images, EDGE, CLASSES, channels=3)
    loops = {
        name: BareLoop(data, device, arguments, prepared=name == PREPARED).fit for name in (BARE, PREPARED)
    }
    with ExitStack() as stack:
        stack.enter_context(installed())
        peers, absent = start_peers(arguments, device, stack)
        variants: dict[str, Callable[[], float]] = {
            name: partial(timed, loop, device) for name, loop in loops.items()
        }
        variants |= {**own_trainers(data, device, arguments), **peers}
        times = interleaved(variants, arguments.repetitions)
    samples = arguments.cycles * arguments.images
    rows: list[Row] = [
        {
            "loop": name,
            **spread_ms(seconds),
            "samples/s": samples / median(seconds),
            "of the bare loop": median(times[BARE]) / median(seconds),
            "of the loop on prepared images": median(times[PREPARED]) / median(seconds),
        }
        for name, seconds in times.items()
    ]
    return Page(
        title=f"A tiny MLP, {3 * EDGE * EDGE}-{HIDDEN}-{HIDDEN}-{CLASSES}, batch {arguments.batch}",
        conditions={
            **conditions,
            "work": f"{arguments.cycles} epochs of {arguments.images} images",
        },
        tables={"Training": rows},
        notes=[
            f"Median of {arguments.repetitions} turns. Taskgrove and the bare loops begin with resident "
            "uint8 images and validate after every epoch, Taskgrove also keeps the best version; the "
            "libraries get prepared images and validate nothing. All clip gradients but Avalanche.",
            *absent,
        ],
    )


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.set_defaults(threads=1)
    reader.add_argument("--images", type=int, default=16384)
    reader.add_argument("--cycles", type=int, default=2)
    reader.add_argument("--batch", type=int, default=128)
    reader.add_argument("--trainers-python", default=sys.executable, help="of an environment with both")
    arguments = reader.parse_args(given)
    save(measure(arguments), arguments.out)


if __name__ == "__main__":
    main()
