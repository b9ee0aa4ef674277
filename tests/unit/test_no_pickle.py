"""Nothing that is read from a store, a file of weights or a task's data can run code."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import taskgrove
from taskgrove.backbones.families import FAMILIES
from taskgrove.domain.errors import TaskgroveError
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.checkpoint import checkpoint_key
from taskgrove.store.header import HEADER
from taskgrove.store.keys import record_key
from taskgrove.store.segments import segment_key
from taskgrove.store.store import Store
from taskgrove.store.tensors import read_tensors, unpack
from taskgrove.tasks.load import load_raw
from taskgrove.testing.scripts import life, play

PACKAGE = Path(taskgrove.__file__).parent
NEWEST = record_key(len(life()) - 1)
OWN_PROCESSES = {"coordinator/executors", "coordinator/workers", "experiment"}
"""Where pickle carries calls between a process and the workers that it has started itself."""
UNSAFE = re.compile(
    r"torch\.load|allow_pickle\s*=\s*True|\bmarshal\b|\bshelve\b|\bdill\b|\bjoblib\b|(?<![.\w])(eval|exec)\("
)


def sources() -> dict[str, str]:
    files = PACKAGE.rglob("*.py")
    return {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in files}


def test_only_calls_to_own_workers_are_pickled() -> None:
    users = {
        path.rpartition("/")[0] for path, text in sources().items() if re.search(r"import.*pickle", text)
    }
    assert users <= OWN_PROCESSES
    assert users  # or the search finds nothing at all


def test_nothing_is_loaded_in_a_way_that_runs_code() -> None:
    assert {path: found[0] for path, text in sources().items() if (found := UNSAFE.search(text))} == {}


@pytest.fixture
def bomb(tmp_path: Path) -> tuple[bytes, Path]:
    """Bytes that create a file when they are unpickled."""
    trace = tmp_path / "exploded"

    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return os.mkdir, (str(trace),)

    data = pickle.dumps(Bomb())
    pickle.loads(data)
    trace.rmdir()
    return data, trace


def test_a_pickle_as_a_blob_is_refused(bomb: tuple[bytes, Path]) -> None:
    data, trace = bomb
    store = Store.create(MemoryBackend())
    with pytest.raises(TaskgroveError):
        unpack(data)
    blob = store.put_blob(data)
    with pytest.raises(TaskgroveError):
        read_tensors(store, blob)
    assert not trace.exists()


@pytest.mark.parametrize("key", [HEADER, NEWEST, segment_key(0), checkpoint_key(5)])
def test_a_pickle_in_place_of_what_a_store_keeps_is_refused(bomb: tuple[bytes, Path], key: str) -> None:
    data, trace = bomb
    backend = MemoryBackend()
    play(Store.create(backend, thousand=5), life())
    backend.put(key, data)
    if key in (HEADER, NEWEST):
        with pytest.raises(TaskgroveError):
            list(Store.open(backend, thousand=5).history())
    else:  # caches that cannot be believed are not looked at
        assert len(list(Store.open(backend, thousand=5).history())) == len(life())
    assert not trace.exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.npz"])
def test_a_pickle_as_a_file_of_weights_is_refused(
    bomb: tuple[bytes, Path], tmp_path: Path, name: str
) -> None:
    data, trace = bomb
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TaskgroveError):
        FAMILIES["vit"].read_weights(tmp_path / name, "vit-tiny-test")
    assert not trace.exists()


def test_a_pickle_as_a_tasks_data_is_refused(bomb: tuple[bytes, Path], tmp_path: Path) -> None:
    data, trace = bomb
    (tmp_path / "task.npz").write_bytes(data)
    with pytest.raises(TaskgroveError):
        load_raw(f"npz:{tmp_path}/task.npz")
    assert not trace.exists()
