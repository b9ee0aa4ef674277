"""Stores of older versions stay readable and can be grown; the samples were written by those versions."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from taskgrove.domain.errors import StoreFormatError
from taskgrove.store.backends.local import LocalBackend
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.header import HEADER, VERSION
from taskgrove.store.store import Store
from taskgrove.store.upkeep.check import check
from taskgrove.testing.scripts import Step, life, note, play

SAMPLES = Path(__file__).parents[1] / "samples"
STEPS = life(("a", "b"), 1)


@pytest.fixture(params=sorted(SAMPLES.glob("store_v*.zip")), ids=lambda path: path.stem)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> LocalBackend:
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path)
    return LocalBackend(tmp_path)


def test_there_is_a_sample_of_every_older_version() -> None:
    assert {path.stem for path in SAMPLES.glob("store_v*.zip")} == {f"store_v{v}" for v in range(3, VERSION)}


def test_an_old_store_says_what_the_same_life_says_today(old: LocalBackend) -> None:
    today = Store.create(MemoryBackend())
    play(today, STEPS)
    then = Store.open(old, writable=False)
    assert [c.operation for c in then.history()] == [c.operation for c in today.history()]
    assert then.state.view == today.state.view
    assert check(old).problems == ()


def test_an_old_store_can_be_grown(old: LocalBackend) -> None:
    store = Store.open(old)
    play(store, [*STEPS, note("grown by a newer version")])
    assert store.view().number == len(STEPS)
    assert check(old).problems == ()


def test_a_store_of_the_future_is_refused(old: LocalBackend) -> None:
    header = json.loads(old.get(HEADER) or b"")
    old.put(HEADER, json.dumps({**header, "version": VERSION + 1}).encode())
    with pytest.raises(StoreFormatError, match=f"version {VERSION + 1}"):
        Store.open(old)


def test_a_record_of_the_future_is_refused_with_its_number() -> None:
    backend = MemoryBackend()
    play(Store.create(backend), [Step(step.operation, step.blobs) for step in STEPS[:2]])
    key = next(entry.key for entry in backend.list("log/") if entry.key.endswith("1.json"))
    backend.put(key, _of_schema(backend.get(key) or b"", VERSION + 1))
    with pytest.raises(StoreFormatError, match=rf"{key}: .*schema is {VERSION + 1}"):
        Store.open(backend)


def _of_schema(data: bytes, schema: int) -> bytes:
    record = json.loads(data)["record"]
    text = json.dumps({**record, "schema": schema}, separators=(",", ":"))
    return json.dumps(
        {"record": json.loads(text), "sha256": hashlib.sha256(text.encode()).hexdigest()},
        separators=(",", ":"),
    ).encode()
