"""A tiny backbone, its models and systems without tensors: what the tests of deciding code build on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from taskgrove.agents.base import Equipment
from taskgrove.backbones.families.vit.members import layout_of
from taskgrove.domain.hparams import Choice, Hparams, Space
from taskgrove.domain.ids import BlobId, CommitId, ComponentId, ModelId, SlotName, TaskName
from taskgrove.domain.jobs import TrainConfig
from taskgrove.domain.records import AddRoot, AddTask, Component, Model, TaskSpec, identified
from taskgrove.domain.view import SystemView
from taskgrove.mutations.mu import MU
from taskgrove.scoring.base import AbstractScore
from taskgrove.scoring.decay import DecayScore
from taskgrove.store.base import AbstractBackend
from taskgrove.store.store import Store

TINY = layout_of("vit-tiny-test")
"""embedding, cls, pos, block_0, block_1, norm, head; adapters may be inserted."""

SPACE = Space(
    (
        Choice(name="opt.lr", values=(0.001, 0.01, 0.1), default=0.01),
        Choice(
            name="opt.schedule", values=("constant", "cosine", "restarts"), default="cosine", ordered=False
        ),
        Choice(name="data.flip", values=(False, True), default=False, ordered=False),
        Choice(name="data.resolution", values=(8, 12, 16), default=8),
        Choice(name="arch.adapter_dim", values=(8, 16), default=8),
        MU,
    )
)
"""One hyperparameter of every sort."""

TRAIN = TrainConfig(cycles=2, samples_cap=8, batch_size=4, val_cap=4, threads=1)
NUM_CLASSES = 3


def tiny_score() -> DecayScore:
    """A score in which size and compute weigh enough to change decisions."""
    root = tiny_root()
    return DecayScore(
        scale=0.9, params_constant=float(root.num_params), flops_constant=float(root.flops), count_roots=True
    )


def tiny_equipment(score: AbstractScore | None = None, space: Space = SPACE) -> Equipment:
    """What an agent needs to work on the tiny backbone."""
    return Equipment(
        layout=TINY,
        space=space,
        score=score or tiny_score(),
        train=TRAIN,
        code_version="test",
        measures=("rsa", "cka"),
    )


def root_bytes(slot: str) -> bytes:
    """What stands for the root's parameters in a slot."""
    return f"root {slot}".encode()


def tiny_root() -> Model:
    """The root model of the tiny backbone."""
    hparams = SPACE.defaults()
    slots = [TINY.slot(name, hparams, 2) for name in TINY.root_slots()]
    components = tuple(
        Component(slot=s.name, kind=s.kind, id=_id(root_bytes(s.name)), num_params=s.num_params)
        for s in slots
    )
    flops = sum(slot.flops for slot in slots)
    return identified(
        Model(member=TINY.member, num_classes=2, components=components, hparams=hparams, flops=flops)
    )


def offspring(
    parent: Model,
    task: str,
    *,
    own: Iterable[str] = ("norm", "head"),
    without: Iterable[str] = (),
    hparams: Hparams | None = None,
    quality: float = 0.5,
    child: int = 0,
    mu: Mapping[str, float] | None = None,
) -> Model:
    """A model of `task` that descends from `parent`.

    Args:
        parent: Any model of the tiny backbone.
        task: Whose it is.
        own: Slots whose components it has trained; the others are the parent's. A slot that the
            parent lacks goes where the layout inserts it.
        without: Slots of the parent that were removed.
        hparams: Those that differ from the parent's.
        quality: Validation accuracy.
        child: Tells it from its siblings.
        mu: Mutation probabilities that differ from the parent's.
    """
    values = {**parent.hparams, **(hparams or {})}
    trained, gone = list(own), set(without)
    names = [c.slot for c in parent.components if c.slot not in gone]
    for slot in [SlotName(name) for name in trained if name not in names]:
        names.insert(dict(TINY.insertable_slots(names))[slot], slot)
    TINY.check(names)
    kept = {c.slot: c for c in parent.components if c.slot not in trained}
    components = [kept[n] if n in kept else _trained(n, task, child, values) for n in names]
    flops = sum(TINY.slot(name, values, NUM_CLASSES).flops for name in names)
    return identified(
        replace(
            parent,
            task=TaskName(task),
            num_classes=NUM_CLASSES,
            parent=parent.id,
            components=tuple(components),
            hparams=values,
            quality=quality,
            child=child,
            mu={**parent.mu, **(mu or {})},
            flops=flops,
        )
    )


def tiny_task(name: str) -> TaskSpec:
    """A task without images."""
    return TaskSpec(
        name=TaskName(name),
        source="tiny:1",
        splits={"train": "all[:80%]", "val": "all[80%:]"},
        class_names=("x", "y", "z"),
        sizes={"train": 8, "val": 2},
        image_shape=(8, 8, 1),
        fingerprint="f" * 64,
    )


def tiny_view(
    *bests: Model,
    tasks: Iterable[str] = ("a", "b"),
    selections: Mapping[str, Mapping[ModelId, int]] | None = None,
    roots: Iterable[Model] | None = None,
) -> SystemView:
    """A system with the tiny root, `tasks`, and the published models `bests`."""
    started = [tiny_root()] if roots is None else list(roots)
    return SystemView(
        number=10,
        tasks={TaskName(name): tiny_task(name) for name in tasks},
        models={model.id: model for model in (*started, *bests)},
        roots=tuple(model.id for model in started),
        bests={model.task: model.id for model in bests if model.task is not None},
        selections={TaskName(task): counts for task, counts in (selections or {}).items()},
        iterations={model.task: 1 for model in bests if model.task is not None},
    )


def tiny_store(backend: AbstractBackend, tasks: Iterable[str] = ("a", "b")) -> Store:
    """A new store that holds the tiny root and `tasks`."""
    store = Store.create(backend)
    for slot in TINY.root_slots():
        store.put_blob(root_bytes(slot))
    store.commit(AddRoot(model=tiny_root()), id=CommitId("tiny root"))
    for name in tasks:
        store.commit(AddTask(task=tiny_task(name)), id=CommitId(f"tiny task {name}"))
    return store


def _trained(slot: SlotName, task: str, child: int, hparams: Hparams) -> Component:
    shape = TINY.slot(slot, hparams, NUM_CLASSES)
    label = f"{slot} {task} {child} {sorted(hparams.items())}".encode()
    return Component(
        slot=slot,
        kind=shape.kind,
        id=_id(label),
        num_params=shape.num_params,
        momentum=BlobId(_id(b"momentum of " + label)),
        cycles={TaskName(task): 2},
        last_task=TaskName(task),
    )


def _id(data: bytes) -> ComponentId:
    return ComponentId(hashlib.sha256(data).hexdigest())
