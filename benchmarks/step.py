"""The cost of one training step with all layers trainable: ours, plain and fast, beside a plain loop.

    python -m benchmarks.step --peer-python /path/to/timm-env/bin/python --out step_2cores
    python -m benchmarks.step --member vit-b --resolution 80 --batch 16 --out step_b16_2cores
    python -m benchmarks.step --member convnet-32 --edge 32 --batch 64 --out step_convnet32_2cores
    python -m benchmarks.step --compiled --precision bf16 --threads 1 --out step_t3_compiled

The peer of a ViT is timm's; its environment is `benchmarks/peers/timm.txt`, and without one it is a plain ViT
in timm's way. That of a convolutional network is made of PyTorch's modules. Our steps begin with uint8
images, which the fast ones remember as prepared from their second epoch on, the peer's with a batch that lies
ready on the device.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor

from benchmarks.breakdown import breakdown, flops_of, seconds_of
from benchmarks.measure import DTYPES, interleaved, machine, parser, settle, spread_ms, timed
from benchmarks.page import Page, Row, save
from benchmarks.peer import KEEPS_FREED_MEMORY, Peer
from benchmarks.system import TASK, noise, usual_hparams
from taskgrove.backbones.assemble import Network, assemble
from taskgrove.backbones.families import family_of
from taskgrove.domain.jobs import TrainConfig
from taskgrove.trainer.allocator import keep_freed_memory
from taskgrove.trainer.learner import AbstractLearner, Resident
from taskgrove.trainer.prefix.layers import Memory
from taskgrove.trainer.prefix.prefixes import Prefixes
from taskgrove.trainer.run import CACHE_BYTES
from taskgrove.trainer.train import learner_of

ENGINES = ("plain", "fast")
COMPILED: Mapping[str, bool | str] = {"fast, compiled": True, "fast, as CUDA graphs": "graphs"}
"""Our steps with compiled layers, and how."""
STEP_MODULE = "benchmarks.peers.image_step"
Variant = tuple[str, str]
"""What takes the steps, and in which precision."""


class Steps:
    """Steps of one child, as many as are asked for.

    Args:
        learner: Takes them.
        batch: Images per step.
        device: On which.
    """

    def __init__(self, learner: AbstractLearner, num_images: int, batch: int, device: torch.device) -> None:
        self._learner = learner
        self._batches = [torch.randperm(num_images)[:batch] for _ in range(4)]
        self._device = device

    def learn(self, steps: int) -> Tensor:
        """Take steps."""
        return self._learner.learn([self._batches[i % len(self._batches)] for i in range(steps)])

    def seconds(self, steps: int) -> float:
        """Take steps; what one took."""
        return timed(partial(self.learn, steps), self._device) / steps


def network_of(member: str, hparams: Mapping[str, Any], classes: int, device: torch.device) -> Network:
    """A new network, all trainable."""
    family = family_of(member)
    layout = family.layout(member)
    slots = [layout.slot(name, hparams, classes) for name in layout.root_slots()]
    generator = torch.Generator().manual_seed(0)
    tensors = {
        slot.name: {name: t.to(device) for name, t in family.init(slot, generator).items()} for slot in slots
    }
    return assemble(family, slots, tensors, frozenset(tensors))


def ways(device: torch.device, *, compiled: bool) -> tuple[str, ...]:
    """Our steps that are measured; compiled ones where a device can do it."""
    how = {name: way for name, way in COMPILED.items() if way is True or device.type == "cuda"}
    return (*ENGINES, *(how if compiled else ()))


def own_steps(arguments: argparse.Namespace, way: str, precision: str, device: torch.device) -> Steps:
    """Our steps, by an engine or compiled, and in a precision."""
    hparams = {**usual_hparams(arguments.member), "data.resolution": arguments.resolution}
    data = noise(2 * arguments.batch, arguments.edge, arguments.classes)
    images, labels = (torch.from_numpy(a).to(device) for a in (data.train.images, data.train.labels))
    learner = learner_of(
        network_of(arguments.member, hparams, arguments.classes, device),
        {},
        Resident(train_images=images, train_labels=labels, val_images=images, val_labels=labels),
        Memory(prefixes=Prefixes(CACHE_BYTES), data=TASK, components={}),
        hparams,
        TrainConfig(
            cycles=100_000,
            batch_size=arguments.batch,
            precision=precision,
            threads=arguments.threads,
            engine=way.partition(",")[0],
            compile=COMPILED.get(way, False),
        ),
        0,
    )
    return Steps(learner, len(labels), arguments.batch, device)


def peer_settings(arguments: argparse.Namespace, precision: str, device: torch.device) -> dict[str, Any]:
    """The same model and batch, for the peer."""
    family = family_of(arguments.member)
    layout: Any = family.layout(arguments.member)
    asked = {name: vars(arguments)[name] for name in ("batch", "threads", "resolution")}
    here = {"num_classes": arguments.classes, "precision": precision, "device": str(device)}
    return {"family": family.name, **asdict(layout), **asked, **here}


def start_peers(
    arguments: argparse.Namespace, device: torch.device, stack: ExitStack
) -> dict[Variant, Callable[[], float]]:
    """The peer in each precision, as it is and with our setting of the C library, which is not its merit."""
    ways: dict[str, Mapping[str, str]] = {"": {}}
    if device.type == "cpu" and arguments.peer_kept:
        ways[", freed memory kept"] = KEEPS_FREED_MEMORY
    found: dict[Variant, Callable[[], float]] = {}
    for way, environment in ways.items():
        for precision in arguments.precision.split(","):
            wanted = peer_settings(arguments, precision, device)
            peer = stack.enter_context(Peer(arguments.peer_python, STEP_MODULE, wanted, environment))
            found[f"{peer.about}{way}", precision] = partial(peer.seconds, steps=arguments.steps)
    return found


def compared(times: Mapping[Variant, tuple[float, ...]], batch: int) -> list[Row]:
    """A row per variant, with its ratio to the peer as it is, in the same precision."""
    peer = next(iter(times))[0]
    return [
        {
            "variant": name,
            "precision": precision,
            **spread_ms(seconds),
            "images/s": batch / median(seconds),
            "× the peer": median(times[peer, precision]) / median(seconds),
        }
        for (name, precision), seconds in times.items()
    ]


def explained(steps: Steps, seconds: float, precision: str, device: torch.device) -> tuple[list[Row], Row]:
    """Where a fast step's time goes, as shares of the profile; and its floor beside it."""
    groups, products = breakdown(steps.learn, device)
    whole = sum(groups.values())
    rows: list[Row] = [
        {"part": group, "share %": 100 * spent / whole, "ms": 1e3 * seconds * spent / whole}
        for group, spent in groups.items()
    ]
    floor = seconds_of(products, device, DTYPES[precision])
    return rows, {
        "precision": precision,
        "step, ms": 1e3 * seconds,
        "its matrix products alone, ms": 1e3 * floor,
        "step / floor": seconds / floor,
        "GFLOP": flops_of(products) / 1e9,
        "GFLOP/s of the step": flops_of(products) / 1e9 / seconds,
        "GFLOP/s of the products alone": flops_of(products) / 1e9 / floor,
    }


def first_step(way: str, precision: str, steps: Steps) -> Row:
    """What it takes to compile."""
    return {"variant": f"Taskgrove {way}", "precision": precision, "s": steps.seconds(1)}


def measure(arguments: argparse.Namespace) -> Page:
    """All variants in turns, then where the fast step's time goes."""
    device = settle(arguments)
    conditions = machine(device, arguments.threads)
    keep_freed_memory()
    precisions = arguments.precision.split(",")
    names = ways(device, compiled=arguments.compiled)
    own = {(e, p): own_steps(arguments, e, p, device) for e in names for p in precisions}
    compiling = [first_step(name, p, steps) for (name, p), steps in own.items() if name in COMPILED]
    with ExitStack() as stack:
        variants = start_peers(arguments, device, stack)
        variants |= {(f"Taskgrove {e}", p): partial(s.seconds, arguments.steps) for (e, p), s in own.items()}
        times = interleaved(variants, arguments.repetitions)
    tables: dict[str, list[Row]] = {"One step": compared(times, arguments.batch)}
    floors = []
    for precision in precisions:
        spent = median(times["Taskgrove fast", precision])
        rows, floor = explained(own["fast", precision], spent, precision, device)
        tables[f"Where the time of a fast step goes, {precision}"] = rows
        floors.append(floor)
    title = f"A training step of {arguments.member}, {arguments.resolution} px, batch {arguments.batch}"
    return Page(
        title=f"{title}, all layers trainable",
        conditions={**conditions, "steps per turn": float(arguments.steps)},
        tables={**tables, "The floor": floors, **({"The first step": compiling} if compiling else {})},
        notes=[
            f"Median of {arguments.repetitions} turns, with the range; variants take turns in one run. "
            "`× the peer` is against the peer as it is, in the same precision. Shares are those of the "
            "profiler, which slows small operators down; milliseconds are these shares of the step without "
            "it. A fast step of a ViT computes only the class token in its topmost block: fewer products. A "
            "first step compiles what this machine has not compiled before.",
        ],
    )


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--member", default="vit-ti3")
    reader.add_argument("--resolution", type=int, default=32)
    reader.add_argument("--batch", type=int, default=512)
    reader.add_argument("--classes", type=int, default=10)
    reader.add_argument("--edge", type=int, default=28, help="of the stored images")
    reader.add_argument("--steps", type=int, default=8, help="per turn")
    reader.add_argument("--precision", default="fp32,bf16")
    reader.add_argument("--compiled", action="store_true", help="compiled layers, too")
    reader.add_argument(
        "--peer-kept",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the peer once more, with our setting of the C library",
    )
    reader.add_argument("--peer-python", default=sys.executable, help="of an environment with timm")
    arguments = reader.parse_args(given)
    save(measure(arguments), arguments.out)


if __name__ == "__main__":
    main()
