"""Activations on disk change no bit of a training, in whatever state the disk is."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from taskgrove.agents import succession
from taskgrove.coordinator.parts import together
from taskgrove.domain.ids import TaskName
from taskgrove.domain.jobs import EvaluateJob, TrainJob, TrainResult, ValidateResult
from taskgrove.domain.records import Component, Model, identified
from taskgrove.domain.view import SystemView
from taskgrove.store.store import Store
from taskgrove.trainer.prefix.disk import Disk
from taskgrove.trainer.prefix.key import CHUNK
from taskgrove.trainer.prefix.piece import Piece, encode
from taskgrove.trainer.run import Trainer
from tests.laws.examples import examples
from tests.laws.test_engine_laws import job_of, planted
from tests.unit.small_jobs import make_data

Change = Callable[[Path], None]
ROOM = 1 << 24
NUM_TRAIN, NUM_VAL = 400, 30
A = TaskName("a")


def trainer_on(store: Store, folder: Path | None, limit: int = ROOM, memory: int = 1 << 24) -> Trainer:
    data = make_data(num=NUM_TRAIN)
    disk = None if folder is None else Disk(folder, limit)
    return Trainer(store, lambda _: data, torch.device("cpu"), remember_bytes=memory, disk=disk)


@cache
def grown() -> tuple[Store, Model, TrainJob, TrainResult]:
    """A store with a root, a child that trains the last block and the head, and what its training gives."""
    store, root = planted()
    job = job_of(root, frozenset({"block_1"}), {}, "bf16", "fast")
    job = replace(job, config=replace(job.config, batch_size=64))
    result = trainer_on(store, None).train(job)
    assert isinstance(result, TrainResult)
    return store, root, job, result


def sibling(job: TrainJob, seed: int, samples: int, lowest: str = "block_1") -> TrainJob:
    """Another child, which trains one block, the position embedding or the head alone."""
    _, root, _, _ = grown()
    slots = job_of(root, frozenset({lowest}), {}, "bf16", "fast").slots
    return replace(job, slots=slots, seed=seed, config=replace(job.config, samples_cap=samples))


def pieces(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.piece"))


def as_it_is(folder: Path) -> None:
    """Nothing has happened to the disk."""


def emptied(folder: Path) -> None:
    for path in pieces(folder)[::2]:
        path.unlink()


def cut(folder: Path) -> None:
    for path in pieces(folder):
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def flipped(folder: Path) -> None:
    rng = random.Random(5)
    for path in pieces(folder):
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)


def swapped(folder: Path) -> None:
    """Whole files, each in another one's place."""
    contents = [path.read_bytes() for path in pieces(folder)]
    for path, data in zip(pieces(folder), contents[1:] + contents[:1], strict=True):
        path.write_bytes(data)


def nonsense(folder: Path) -> None:
    for path in pieces(folder):
        path.write_bytes(b"no activations")
        path.with_name("empty.piece").touch()
        path.with_name("folder.piece").mkdir(exist_ok=True)


def outdated(folder: Path) -> None:
    """What other code would have computed, with a checksum that is right."""
    for path in pieces(folder):
        piece = Piece(path)
        index = torch.arange(NUM_TRAIN)
        index = index[piece.places(index) >= 0]
        values = piece.rows(piece.places(index)) * 1.01
        path.write_bytes(encode(path.parent.name, index, values))


STATES: tuple[Change, ...] = (as_it_is, emptied, cut, flipped, swapped, nonsense, outdated)


def components_of(root: Model, result: TrainResult) -> tuple[Component, ...]:
    """The child's, in the place of its parent's."""
    return tuple(
        replace(c, id=result.trained[c.slot].component) if c.slot in result.trained else c
        for c in root.components
    )


@examples(16)
@given(
    state=st.sampled_from(STATES),
    others=st.lists(
        st.tuples(
            st.integers(1, 9),
            st.sampled_from([64, 192, 400]),
            st.sampled_from(["pos", "block_0", "block_1", "head"]),
        ),
        max_size=2,
    ),
    memory=st.sampled_from([0, 100_000, ROOM]),
    limit=st.sampled_from([1, 400_000, ROOM]),
)
def test_no_state_of_the_disk_changes_a_bit(
    state: Change, others: list[tuple[int, int, str]], memory: int, limit: int
) -> None:
    store, _, job, expected = grown()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for other in others:
            trainer_on(store, folder, limit).train(sibling(job, *other))
        state(folder)
        for _ in range(2):
            trainer = trainer_on(store, folder, limit, memory)
            for other in others[1:]:
                trainer.train(sibling(job, *other))
            assert trainer.train(job) == expected


def test_what_one_process_has_computed_another_one_finds(tmp_path: Path) -> None:
    store, _, job, expected = grown()
    one, other = trainer_on(store, tmp_path), trainer_on(store, tmp_path)
    one.train(sibling(job, 3, 64))
    other.train(sibling(job, 4, 64))
    assert one.train(job) == other.train(job) == expected
    assert other.meters()["activations_read"] > NUM_TRAIN / 2
    fresh = trainer_on(store, tmp_path)
    assert fresh.train(job) == expected
    meters = fresh.meters()
    assert meters["activations_computed"] == CHUNK + NUM_VAL, (
        "a chunk of each split, to see if they are equal"
    )
    assert meters["activations_read"] == NUM_TRAIN - CHUNK


def test_another_data_set_under_the_same_name_is_another_one(tmp_path: Path) -> None:
    store, _, job, expected = grown()
    assert trainer_on(store, tmp_path).train(job) == expected
    data = make_data(seed=1)
    strange = Trainer(store, lambda _: data, torch.device("cpu"), disk=Disk(tmp_path, ROOM))
    alone = Trainer(store, lambda _: data, torch.device("cpu"))
    assert strange.train(job) == alone.train(job) != expected
    assert strange.meters()["activations_read"] == 0
    again = trainer_on(store, tmp_path)
    assert again.train(job) == expected
    assert again.meters()["activations_read"] > 0, "they do not drive each other out"


def test_measurements_do_not_depend_on_what_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test after trainings, in float32 and with other threads, and validations of the same components."""
    store, root, job, result = grown()
    model = identified(replace(root, task=A, num_classes=3, components=components_of(root, result)))
    view = SystemView(models={root.id: root, model.id: model}, roots=(root.id,), bests={A: model.id})
    monkeypatch.setattr(store, "view", lambda: view)
    evaluation = EvaluateJob(model=model.id, split="test", threads=1)
    validation = replace(succession.validation(model, job.config), hparams=job.hparams)
    plain = replace(validation, config=replace(job.config, engine="plain", precision="fp32"))
    alone = trainer_on(store, None)
    expected = [alone.evaluate(evaluation), alone.validate(validation)]
    assert alone.validate(plain).num_samples == NUM_VAL
    assert expected[1] == ValidateResult(quality=result.quality, num_samples=NUM_VAL)
    for memory in (0, ROOM, ROOM):
        busy = trainer_on(store, tmp_path, memory=memory)
        busy.train(job)
        asked = busy.meters()["activations"]
        assert [busy.evaluate(evaluation), busy.validate(validation)] == expected
        assert busy.meters()["activations"] > asked


@cache
def published() -> tuple[Trainer, Model]:
    """A trainer on a store where the grown model is published."""
    store, root, _, result = grown()
    model = identified(replace(root, task=A, num_classes=3, components=components_of(root, result)))
    view = SystemView(models={root.id: root, model.id: model}, roots=(root.id,), bests={A: model.id})
    viewed = Mock(wraps=store, view=lambda: view)
    data = make_data(num=NUM_TRAIN)
    return Trainer(viewed, lambda _: data, torch.device("cpu")), model


@given(st.lists(st.integers(1, NUM_TRAIN - 1), unique=True, max_size=3).map(sorted))
def test_the_parts_of_a_test_give_the_whole(cuts: list[int]) -> None:
    trainer, model = published()
    whole = EvaluateJob(model=model.id, split="train", threads=1)
    parts = [replace(whole, start=start, stop=stop) for start, stop in pairwise([0, *cuts, NUM_TRAIN])]
    assert together([trainer.evaluate(part) for part in parts]) == trainer.evaluate(whole)
