"""A system as large as that of µ2Net+, Figure 4: 124 tasks, 24 blocks, grown by the real agent in seconds.

Everything is real but the training: the agent, the coordinator, the store with its log and its rules. What
reports draw of large systems is looked at, timed and tested with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random

from taskgrove.agents.base import Equipment
from taskgrove.agents.methods.mu2net_plus import Mu2NetPlus, Mu2NetPlusOptions
from taskgrove.backbones.families.vit.layout import VitLayout
from taskgrove.backbones.families.vit.members import layout_of, space_of
from taskgrove.coordinator.base import Work
from taskgrove.coordinator.executors.inline import InlineExecutor
from taskgrove.coordinator.loop import Coordinator
from taskgrove.coordinator.loop import Run as Growth
from taskgrove.domain.hparams import Space
from taskgrove.domain.ids import ComponentId, TaskName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.domain.records import AddRoot, AddTask, Component, Model, StartExperiment, TaskSpec, identified
from taskgrove.mutations.mu import MU
from taskgrove.reports.analyses.run import Run
from taskgrove.scoring.decay import DecayScore
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.base import AbstractBackend
from taskgrove.store.store import Store
from taskgrove.tasks.preprocess import MU2NET_PLUS_PREPROCESS
from taskgrove.testing.pretended import Nature, PretendedTrainer
from taskgrove.trainer.optim import MU2NET_PLUS_OPTIMIZER

MEMBER = "vit-l"
_FIRST = 69 / 124
"""Share of the tasks that are there from the start; the others arrive with the second segment (000, §5)."""
_FAMILIES = (
    *("letters", "flowers", "rooms", "depth", "birds", "signs"),
    *("cells", "faces", "clothes", "count", "aircraft", "textures"),
)
"""The first of each three wants layers of its own."""
_FORMS = (
    *("full", "1k", "grey", "noisy", "open_world", "fine_grained", "sketched", "decathlon"),
    *("rotated", "small", "few_shots"),
)
_START_S, _STEP_S = 1_700_000_000.0, 30.0
_ROOT_CLASSES, _SCALE = 2, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class BigSystem:
    """How large a system is to be, and how much is tried for it.

    Attributes:
        tasks: How many; the later ones arrive with the second segment.
        blocks: Of the vision transformer, whose other sizes are those of ViT-L/16.
        iterations: Of every task that is there, in each segment.
        generations, children: Of a task iteration, of a generation.
        seed: Of everything that is drawn.
    """

    tasks: int = 124
    blocks: int = 24
    iterations: tuple[int, int] = (2, 1)
    generations: int = 4
    children: int = 2
    seed: int = 0

    @property
    def layout(self) -> VitLayout:
        """Of the backbone."""
        return replace(layout_of(MEMBER), depth=self.blocks)


SMALL = BigSystem(tasks=8, blocks=3, generations=2)


def grow_big(size: BigSystem, backend: AbstractBackend | None = None) -> Run:
    """Grow the system in two segments; the same size gives the same operations.

    Args:
        size: See `BigSystem`.
        backend: Empty; kept in memory by default.
    """
    times = count()
    store = Store.create(backend or MemoryBackend(), clock=lambda: _START_S + _STEP_S * next(times))
    natures = _natures(size)
    trainer = PretendedTrainer(store, size.layout, natures)
    work = Work(train=trainer.train, evaluate=trainer.evaluate, study=trainer.study, meters=trainer.meters)
    _commit_root(store, size.layout)
    names = [*natures]
    present: list[TaskName] = []
    arrivals = (names[: round(_FIRST * len(names))], names[round(_FIRST * len(names)) :])
    for number, (new, iterations) in enumerate(zip(arrivals, size.iterations, strict=True), 1):
        for name in new:
            store.commit(AddTask(task=_task(name, size.seed)))
        present += new
        growth = _growth(size, f"big.{number}", present, iterations)
        Coordinator(store, growth, InlineExecutor(), work).grow()
    return run_of(store)


def run_of(store: Store) -> Run:
    """What reports read of a store."""
    state = store.state
    return Run(
        view=state.view,
        history=tuple(store.history()),
        evaluations=state.evaluations,
        valid={choice.name: choice.values for choice in _space()},
    )


def _natures(size: BigSystem) -> dict[TaskName, Nature]:
    """Tasks in order of arrival: a family's come one by one among those of others."""
    rng = Random(f"natures {size.seed}")
    kinds = {
        family: (rng.uniform(0.005, 0.03) if number % 3 else rng.uniform(0.3, 0.6), rng.uniform(-2.5, -1.0))
        for number, family in enumerate(_FAMILIES)
    }
    forms = (*_FORMS, *map(str, range(size.tasks)))
    chosen = [(family, form) for form in forms for family in _FAMILIES][: size.tasks]
    rng.shuffle(chosen)
    return {
        TaskName(f"{family}_{form}"): Nature(
            family=family, ceiling=rng.uniform(0.8, 0.995), gap=kinds[family][0], log10_lr=kinds[family][1]
        )
        for family, form in chosen
    }


def _task(name: TaskName, seed: int) -> TaskSpec:
    rng = Random(f"task {name} {seed}")
    return TaskSpec(
        name=name,
        source=f"pretended:{name}",
        splits={"train": "train[5%:]", "val": "train[:5%]", "test": "test"},
        class_names=tuple(str(label) for label in range(rng.choice((2, 5, 10, 37, 47, 102)))),
        sizes={"train": 60_000, "val": 3_000, "test": 10_000},
        image_shape=(64, 64, 3),
        fingerprint=_digest(name),
    )


def _commit_root(store: Store, layout: VitLayout) -> None:
    """Parameters are not materialised: a short blob stands for those of each slot."""
    hparams = _space().defaults()
    slots = [layout.slot(name, hparams, _ROOT_CLASSES) for name in layout.root_slots()]
    parts = tuple(
        Component(
            slot=slot.name,
            kind=slot.kind,
            id=ComponentId(store.put_blob(f"root {slot.name}".encode())),
            num_params=slot.num_params,
        )
        for slot in slots
    )
    flops = sum(slot.flops for slot in slots)
    root = Model(
        member=layout.member, num_classes=_ROOT_CLASSES, components=parts, hparams=hparams, flops=flops
    )
    store.commit(AddRoot(model=identified(root)))


def _growth(size: BigSystem, name: str, tasks: Sequence[TaskName], iterations: int) -> Growth:
    root = [size.layout.slot(slot, _space().defaults(), _ROOT_CLASSES) for slot in size.layout.root_slots()]
    score = DecayScore(
        scale=_SCALE,
        params_constant=float(sum(slot.num_params for slot in root)),
        flops_constant=float(sum(slot.flops for slot in root)),
    )
    equipment = Equipment(layout=size.layout, space=_space(), score=score, train=TrainConfig())
    options = Mu2NetPlusOptions(generations=size.generations, children=size.children)
    agent = Mu2NetPlus(equipment=equipment, options=options)
    start = StartExperiment(
        experiment=name,
        digest=_digest("experiment"),
        spec=_spec(size, name, iterations),
        iterations=iterations,
        tasks=tuple(tasks),
    )
    return Growth(start=start, seed=size.seed, agents=dict.fromkeys(tasks, agent), threads=1)


def _spec(size: BigSystem, name: str, iterations: int) -> str:
    """What an experiment would say of it; what is left out is as usual."""
    options = {"generations": size.generations, "children": size.children}
    spec = {
        "name": name,
        "seed": size.seed,
        "root": {"member": MEMBER},
        "agent": {"method": Mu2NetPlus.name, "iterations": iterations, "options": options},
        "score": {"scale": _SCALE},
    }
    return json.dumps(spec, sort_keys=True)


def _space() -> Space:
    return MU2NET_PLUS_OPTIMIZER | MU2NET_PLUS_PREPROCESS | space_of(MEMBER) | Space((MU,))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
