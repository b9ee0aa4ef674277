"""The machine's cache of blobs: right bytes or none, bounded, shared, and never in the way."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from taskgrove.domain.errors import BadValueError
from taskgrove.domain.ids import BlobId
from taskgrove.store.keys import blob_id
from taskgrove.store.machine_cache import MachineCache

KIB = 1024


def blob(number: int, size: int = KIB) -> tuple[BlobId, bytes]:
    data = bytes([number]) * size
    return blob_id(data), data


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*/*")}


def test_what_was_kept_comes_back_for_every_process(tmp_path: Path) -> None:
    name, data = blob(1)
    assert MachineCache(tmp_path / "new", KIB * 10).get(name) is None
    MachineCache(tmp_path / "new", KIB * 10).keep(name, data)
    assert MachineCache(tmp_path / "new", KIB * 10).get(name) == data


def test_a_path_can_be_mapped_and_outlives_its_removal(tmp_path: Path) -> None:
    cache = MachineCache(tmp_path, KIB * 10)
    name, data = blob(1)
    cache.keep(name, data)
    path = cache.path(name)
    assert path is not None
    with path.open("rb") as file:
        path.unlink()
        assert file.read() == data
    assert cache.path(name) is None
    assert cache.get(name) is None


@pytest.mark.parametrize("damage", [b"", b"\2" * KIB, b"\1" * (KIB - 1), b"\1" * (KIB + 1)])
def test_a_damaged_entry_is_removed(tmp_path: Path, damage: bytes) -> None:
    name, data = blob(1)
    MachineCache(tmp_path, KIB * 10).keep(name, data)
    (tmp_path / name[:2] / name).write_bytes(damage)
    assert MachineCache(tmp_path, KIB * 10).get(name) is None
    assert files(tmp_path) == set()


def test_it_stays_within_its_bound_and_forgets_what_was_used_least(tmp_path: Path) -> None:
    cache = MachineCache(tmp_path, KIB * 10)
    blobs = [blob(number) for number in range(30)]
    for age, (name, data) in enumerate(blobs):
        cache.keep(name, data)
        os.utime(tmp_path / name[:2] / name, (age, age))
        assert cache.get(blobs[0][0]) == blobs[0][1]  # used all the time
        assert len(files(tmp_path)) <= 10
    assert blobs[0][0] in files(tmp_path)
    assert blobs[-1][0] in files(tmp_path)
    assert blobs[1][0] not in files(tmp_path)


def test_several_processes_share_the_bound(tmp_path: Path) -> None:
    caches = [MachineCache(tmp_path, KIB * 10) for _ in range(3)]
    for number in range(60):
        caches[number % 3].keep(*blob(number))
    caches[0].keep(*blob(60))
    MachineCache(tmp_path, KIB * 10).keep(*blob(61))  # a new process looks at once
    assert len(files(tmp_path)) <= 10


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    for limit in (0, KIB):
        cache = MachineCache(tmp_path, limit)
        cache.keep(*blob(1))
        assert files(tmp_path) == set()


def test_an_unwritable_folder_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = MachineCache(tmp_path / "file", KIB * 10)
    name, data = blob(1)
    cache.keep(name, data)
    assert cache.get(name) is None


def test_partial_files_of_dead_processes_go_and_young_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "aa").mkdir()
    old, young = tmp_path / "aa" / ".part-old", tmp_path / "aa" / ".part-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    MachineCache(tmp_path, KIB * 10).keep(*blob(1))
    assert (old.exists(), young.exists()) == (False, True)


def test_a_negative_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match="use 0 to keep nothing"):
        MachineCache(tmp_path, -1)
