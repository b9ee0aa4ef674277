"""Activations on disk: bounded, shared, and never worse than none."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from taskgrove.domain.errors import BadValueError
from taskgrove.experiment.api import create
from taskgrove.experiment.spec import TrainSpec
from taskgrove.experiment.workplace import activations_disk
from taskgrove.reports.analyses.speed import Speed, sentence, speed_of
from taskgrove.store.spent import Spent
from taskgrove.tasks.sources.arrays import arrays
from taskgrove.trainer.prefix.disk import Disk
from taskgrove.trainer.prefix.piece import Piece, encode
from taskgrove.trainer.prefix.shelf import Shelf
from tests.unit.small_jobs import make_data

CPU = torch.device("cpu")
KEY, OTHER = "a" * 64, "b" * 64
ROW_BYTES = 4 * 1000
WIDTH = ROW_BYTES // 4


class Counted:
    """Activations that tell their image; counts what is computed."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.images: list[int] = []

    def __call__(self, index: Tensor) -> Tensor:
        self.images += index.tolist()
        return (self.factor * index[:, None].float()).expand(-1, WIDTH).contiguous()


def ask(disk: Disk, key: str, first: int, count: int, compute: Counted) -> int:
    """Check what a shelf gives; how many were read."""
    index = torch.arange(first, first + count)
    values, num_read = Shelf(disk, key, CPU).rows(index, compute, sample=2)
    assert torch.equal(values, Counted(compute.factor)(index))
    return num_read


def pieces(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.piece"))


def test_what_was_computed_is_read_after_two_were_computed_again(tmp_path: Path) -> None:
    compute = Counted()
    assert ask(Disk(tmp_path, 1 << 24), KEY, 0, 10, compute) == 0
    disk = Disk(tmp_path, 1 << 24)
    assert ask(disk, KEY, 5, 10, compute) == 5 - 2
    assert ask(disk, KEY, 0, 15, compute) == 15
    assert compute.images == [*range(10), 5, 6, *range(10, 15)]
    assert ask(disk, OTHER, 0, 5, compute) == 0


def test_nothing_is_written_twice(tmp_path: Path) -> None:
    one, other = (Shelf(Disk(tmp_path, 1 << 24), KEY, CPU) for _ in range(2))
    index = torch.arange(8)

    def slow(wanted: Tensor) -> Tensor:
        other.rows(index[:5], Counted(), 2)  # another process is faster
        return Counted()(wanted)

    one.rows(index, slow, 2)
    kept = [Piece(path).places(index) >= 0 for path in pieces(tmp_path)]
    assert sum(mask.int() for mask in kept).tolist() == [1] * 8  # type: ignore[union-attr]


def test_the_least_recently_used_files_go_when_there_is_no_more_room(tmp_path: Path) -> None:
    limit = 40 * ROW_BYTES
    disk = Disk(tmp_path, limit)
    disk.proven |= {KEY, OTHER}
    ask(disk, KEY, 0, 1, Counted())
    for number in range(80):
        for path in pieces(tmp_path):  # two minutes later
            os.utime(path, (path.stat().st_mtime - 120,) * 2)
        assert ask(disk, KEY, 0, 1, Counted()) == 1, "it has been used each time"
        ask(disk, OTHER, number, 1, Counted())
        assert sum(path.stat().st_size for path in pieces(tmp_path)) <= limit
    assert ask(disk, OTHER, 50, 30, Counted()) > 10
    assert ask(disk, OTHER, 0, 20, Counted()) == 0


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other key"])
def test_a_damaged_file_is_computed_again_and_removed(tmp_path: Path, harm: str) -> None:
    disk = Disk(tmp_path, 1 << 24)
    ask(disk, KEY, 0, 4, Counted())
    ask(disk, KEY, 4, 4, Counted())
    before = pieces(tmp_path)
    data = bytearray(before[0].read_bytes())
    data[-50] ^= 4
    index = torch.arange(4)
    content: dict[str, bytes | bytearray] = {
        "cut": data[:-1],
        "flip": data,
        "empty": b"",
        "other key": encode(OTHER, index, Counted()(index)),
    }
    before[0].write_bytes(content[harm])
    fresh, compute = Disk(tmp_path, 1 << 24), Counted()
    fresh.proven.add(KEY)
    assert ask(fresh, KEY, 0, 8, compute) == 4
    assert len(compute.images) == 4
    assert before[0] not in pieces(tmp_path)
    assert ask(fresh, KEY, 0, 8, compute) == 8


def test_activations_of_other_code_are_removed(tmp_path: Path) -> None:
    ask(Disk(tmp_path, 1 << 24), KEY, 0, 8, Counted())
    new = Counted(factor=1.5)
    assert ask(Disk(tmp_path, 1 << 24), KEY, 1, 4, new) == 0
    assert ask(Disk(tmp_path, 1 << 24), KEY, 0, 8, new) == 4 - 2


def test_activations_that_are_no_numbers_are_kept_like_others(tmp_path: Path) -> None:
    def nowhere(index: Tensor) -> Tensor:
        return torch.full((len(index), 3), torch.nan, dtype=torch.bfloat16)

    index = torch.arange(6)
    for expected in (0, 4):
        values, num_read = Shelf(Disk(tmp_path, 1 << 24), KEY, CPU).rows(index, nowhere, 2)
        assert num_read == expected
        assert bool(values.isnan().all())


def test_a_full_disk_keeps_nothing_and_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    disk = Disk(tmp_path / "cache", 1 << 24)
    assert ask(disk, KEY, 0, 4, Counted()) == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_made_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    disk = Disk(tmp_path / "file" / "cache", 1 << 24)
    assert ask(disk, KEY, 0, 4, Counted()) == 0
    assert ask(disk, KEY, 0, 4, Counted()) == 0


def test_what_a_dead_process_left_unfinished_is_never_read_and_goes_a_day_later(tmp_path: Path) -> None:
    disk = Disk(tmp_path, 1 << 20)
    ask(disk, KEY, 0, 4, Counted())
    whole = pieces(tmp_path)[0]
    old, young = (whole.with_name(f"{name}.part") for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(whole.read_bytes())
    whole.unlink()
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    assert ask(disk, KEY, 0, 4, Counted()) == 0
    ask(disk, OTHER, 0, 20, Counted())
    assert not old.exists()
    assert young.exists()


WRITER = """
import sys, torch
from pathlib import Path
from taskgrove.trainer.prefix.disk import Disk
from taskgrove.trainer.prefix.shelf import Shelf
shelf = Shelf(Disk(Path(sys.argv[1]), 1 << 30), sys.argv[2], torch.device("cpu"))
for first in range(0, 10**9, 500):
    index = torch.arange(first, first + 500)
    shelf.rows(index, lambda wanted: wanted[:, None].float().expand(-1, 1000).contiguous(), 2)
"""


def test_a_writer_that_is_killed_leaves_only_whole_files(tmp_path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), KEY])
    deadline = time.monotonic() + 60
    while len(pieces(tmp_path)) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    writer.send_signal(signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    found = pieces(tmp_path)
    assert len(found) >= 5
    assert all(Piece(path).is_sound(KEY) for path in found)
    assert ask(Disk(tmp_path, 1 << 30), KEY, 0, 2000, Counted()) == 2000 - 2


def test_a_disk_without_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match="0 bytes on disk hold nothing"):
        Disk(tmp_path, 0)


def test_the_environment_says_how_much_a_machine_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TASKGROVE_ACTIVATIONS_GB", raising=False)
    assert activations_disk() is None
    monkeypatch.setenv("TASKGROVE_ACTIVATIONS_GB", "much")
    with pytest.raises(BadValueError, match="TASKGROVE_ACTIVATIONS_GB must be a size in gigabytes"):
        activations_disk()
    monkeypatch.setenv("TASKGROVE_CACHE", str(tmp_path))
    monkeypatch.setenv("TASKGROVE_ACTIVATIONS_GB", "0.1")
    data = make_data(num=3200)
    quick = TrainSpec(cycles=1, samples_cap=600, batch_size=64, precision="fp32", threads=1)
    speeds: list[Speed | None] = []
    for _ in range(2):
        grove = create(tmp_path / str(len(speeds)), root="vit-tiny-test")
        grove.add_task("bands", arrays(data.train.images, data.train.labels))
        grove.grow(iterations=1, train=quick, options={"generations": 1, "children": 2}, device="cpu")
        speeds.append(speed_of(grove.store.state.spent["grow-1"]))
    assert len(pieces(tmp_path / "activations")) > 0
    one, other = speeds
    assert one is not None
    assert other is not None
    assert not one.read
    assert other.read
    assert "% read from disk)" in sentence(other)
    assert "disk" not in sentence(one)


def test_speed_tells_what_came_from_disk() -> None:
    spent = Spent(
        samples=100,
        meters={
            "train_s": 2.0,
            "activations": 1000.0,
            "activations_computed": 100.0,
            "activations_read": 300.0,
        },
    )
    speed = speed_of(spent)
    assert speed is not None
    assert (speed.remembered, speed.read) == (0.9, 0.3)
    assert "90.0 % of frozen layers' activations remembered (30.0 % read from disk)" in sentence(speed)
