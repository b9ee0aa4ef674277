"""Bytes that a system of many tasks takes in a store, beside one safetensors file per task.

    python -m benchmarks.bytes --tasks 100 --out bytes_2cores

Every task's model descends from the root or from an earlier task's: its head is new, and each other layer is
trained with some probability and otherwise shared. Tensors are random and of the real shapes; momentum is
kept, too. Rejected children leave a record each.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import torch

from benchmarks.lives import (
    AGENT,
    CHILDREN,
    EXPERIMENT,
    METERS,
    finished,
    start,
)
from benchmarks.measure import machine, no_syncs, parser
from benchmarks.page import Page, Row, save
from taskgrove.domain.ids import BlobId, ComponentId, TaskName
from taskgrove.domain.records import AddRoot, BeginIteration, Component, EndIteration, Model
from taskgrove.experiment.build import build_root
from taskgrove.experiment.spec import RootSpec
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.blobs import blobs_of
from taskgrove.store.store import Store
from taskgrove.store.tensors import pack, unpack

FLOAT32, BFLOAT16 = 4, 2


class Trainer:
    """Puts random tensors in the place of trained ones.

    Args:
        store: Where they go.
        seed: Of their values.
    """

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._random = torch.Generator().manual_seed(seed)

    def trained(self, component: Component, task: TaskName) -> Component:
        """A component of the same shapes with a momentum."""
        shapes = {name: t.shape for name, t in unpack(self._store.get_blob(BlobId(component.id))).items()}
        weights, momentum = (
            {name: torch.randn(shape, generator=self._random).to(kind) for name, shape in shapes.items()}
            for kind in (torch.float32, torch.bfloat16)
        )
        return Component(
            slot=component.slot,
            kind=component.kind,
            id=ComponentId(self._store.put_blob(pack(weights))),
            num_params=component.num_params,
            momentum=self._store.put_blob(pack(momentum)),
            cycles={**component.cycles, task: 4},
            last_task=task,
        )


def grow(store: Store, member: str, num_tasks: int, probability: float, seed: int = 0) -> None:
    """A root, then a model per task; layers but the head are trained with a probability."""
    random, trainer = Random(seed), Trainer(store, seed)
    root = build_root(RootSpec(member=member), store.put_blob)
    store.commit(AddRoot(model=root))
    tasks = [TaskName(f"task_{number}") for number in range(num_tasks)]
    start(store, tasks)
    models: list[Model] = [root]
    for task in tasks:
        parent = random.choice(models)
        parts = [
            trainer.trained(part, task) if part.slot == "head" or random.random() < probability else part
            for part in parent.components
        ]
        models.append(iterate(store, random, parent, parts, task))


def iterate(store: Store, random: Random, parent: Model, parts: Iterable[Component], task: TaskName) -> Model:
    """A task iteration whose first child is accepted."""
    store.commit(BeginIteration(experiment=EXPERIMENT, agent=AGENT, task=task, iteration=0))
    first = finished(random, parent, [*parts], task, 0, 0, keep=True)
    store.commit(first, meters=METERS)
    for child in range(1, CHILDREN):
        store.commit(finished(random, parent, [*parts], task, 0, child, keep=False), meters=METERS)
    assert first.model is not None
    store.commit(
        EndIteration(
            experiment=EXPERIMENT, agent=AGENT, task=task, iteration=0, best=first.model.id, score=0.5
        )
    )
    return first.model


def file_bytes(store: Store, model: Model) -> int:
    """Size of one safetensors file with all parameters of a model."""
    tensors = {
        f"{component.slot}.{name}": tensor
        for component in model.components
        for name, tensor in unpack(store.get_blob(BlobId(component.id))).items()
    }
    return len(pack(tensors))


def distinct_bytes(store: Store) -> tuple[int, int]:
    """Of the parameters and of the momenta of all live models, each counted once and without any header."""
    parts = {c.id: c for model in store.state.view.models.values() for c in model.components}
    momenta = {c.momentum: c for c in parts.values() if c.momentum is not None}
    return (
        sum(FLOAT32 * part.num_params for part in parts.values()),
        sum(BFLOAT16 * part.num_params for part in momenta.values()),
    )


def on_disk(folder: Path) -> int:
    """Bytes of all blocks that the files and folders occupy."""
    return sum(512 * path.stat().st_blocks for path in [folder, *folder.rglob("*")])


def measure(arguments: argparse.Namespace, folder: Path) -> Page:
    """Grow the system, then count."""
    conditions = machine(torch.device("cpu"), 1)
    with no_syncs():
        store = Store.create(LocalBackend(folder))
        grow(store, arguments.member, arguments.tasks, arguments.probability)
    view = store.view()
    assert {entry.key.split("/")[2][:64] for entry in store.backend.list("blobs/")} == {
        blob for model in view.models.values() for blob in blobs_of(model)
    }
    weights, momenta = distinct_bytes(store)
    models = [view.models[best] for best in view.bests.values()]
    files = [file_bytes(store, model) for model in models]
    held = {part: sizes(store, part) for part in ("blobs/", "log/", "segments/", "state/")}
    stored = sum(sizes(store, ""))
    with_momentum = sum(files) + sum(BFLOAT16 * model.num_params for model in models)
    system: list[Row] = [
        {"what": "one safetensors file per task, parameters only", "MB": sum(files) / 1e6},
        {"what": "one file per task, with momentum", "MB": with_momentum / 1e6},
        {"what": "the store, with momentum", "MB": stored / 1e6},
        {"what": "the store's files and folders, in blocks of the disk", "MB": on_disk(folder) / 1e6},
        {"what": "distinct parameters", "MB": weights / 1e6},
        {"what": "distinct momenta", "MB": momenta / 1e6},
    ]
    ratios: list[Row] = [
        {"what": "files with momentum / store", "value": with_momentum / stored},
        {"what": "files with parameters only / store with momentum", "value": sum(files) / stored},
        {"what": "store over distinct bytes, %", "value": 100 * (stored / (weights + momenta) - 1)},
        {"what": "blocks over distinct bytes, %", "value": 100 * (on_disk(folder) / (weights + momenta) - 1)},
    ]
    parts: list[Row] = [
        {
            "what": part,
            "objects": len(found),
            "MB": sum(found) / 1e6,
            "mean, kB": sum(found) / max(1, len(found)) / 1e3,
        }
        for part, found in held.items()
    ]
    return Page(
        title=f"Bytes of a system of {arguments.tasks} tasks",
        conditions={
            **conditions,
            "member": arguments.member,
            "layers trained per task, on average": sum(
                len(
                    {c.id for c in model.components}
                    - {c.id for c in view.models[model.parent or model.id].components}
                )
                for model in models
            )
            / len(models),
        },
        tables={"Bytes": system, "Ratios": ratios, "What the store holds": parts},
    )


def sizes(store: Store, prefix: str) -> list[int]:
    """Of the objects under a prefix."""
    return [entry.size_bytes for entry in store.backend.list(prefix)]


def main(given: list[str] | None = None) -> None:
    """Read the command line, measure, keep the page."""
    reader = parser(__doc__)
    reader.add_argument("--tasks", type=int, default=100)
    reader.add_argument("--member", default="vit-ti")
    reader.add_argument("--probability", type=float, default=0.15, help="that a layer is trained")
    reader.add_argument("--folder", type=Path, help="where to write; default: the system's temporary folder")
    arguments = reader.parse_args(given)
    with TemporaryDirectory(prefix="taskgrove-", dir=arguments.folder) as folder:
        page = measure(arguments, Path(folder) / "store")
    save(page, arguments.out)


if __name__ == "__main__":
    main()
