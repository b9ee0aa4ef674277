"""The machine stands in the way: full disks, read-only folders, interrupts, data that went away."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.bad_input.refusals import (
    GROW,
    Outcome,
    assert_explained,
    done,
    good_arrays,
    save_npz,
    snapshot,
    taskgrove,
)

Write = Callable[[int, bytes | memoryview], int]
INIT = "init grove --root vit-tiny-test"
ADD = "task add grove b npz:good.npz"
GROW_B = f"grow grove {GROW} --task b"
STATUS = "status grove --json"
DENIED = "the permissions do not allow it. Check who owns the folder"
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
READ_ONLY = OSError(errno.EROFS, os.strerror(errno.EROFS))


def failing(number: int, failure: BaseException) -> Write:
    """`os.write` that from its call of this number on writes only half of the data, then fails."""
    write, calls = os.write, iter(range(number))

    def half(file: int, data: bytes | memoryview) -> int:
        if next(calls, None) is not None:
            return write(file, data)
        write(file, data[: len(data) // 2])
        raise failure

    return half


def counting(sizes: list[int]) -> Write:
    """`os.write` that notes how much it wrote."""
    write = os.write

    def counted(file: int, data: bytes | memoryview) -> int:
        sizes.append(write(file, data))
        return sizes[-1]

    return counted


def status() -> str:
    """Everything that `status` says but what was metered."""
    return re.sub(r'"meters": {[^}]*}', "", done(STATUS))


def assert_survives(
    command: str, failure: BaseException, num_times: int, told: Callable[[Outcome], None]
) -> None:
    """Fail at some writes of the command and repeat it: nothing is lost, nothing is done twice."""
    grove, before, sizes = Path("grove"), Path("before"), list[int]()
    shutil.copytree(grove, before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", counting(sizes))
        done(command)
    wanted = status()
    for number in {round(n) for n in np.linspace(0, len(sizes) - 1, num_times)}:
        shutil.rmtree(grove)
        shutil.copytree(before, grove)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", failing(number, failure))
            told(taskgrove(command))
        assert not [*grove.rglob(".tmp-*")]
        if [*grove.iterdir()]:
            assert done("check grove").endswith("sound.\n")
        done(command)
        assert status() == wanted


def told_full(outcome: Outcome) -> None:
    assert outcome.code == 3
    assert "error (storage_full): Could not write grove/" in outcome.err
    assert "no space is left. Free some and go on; all commits so far are safe." in outcome.err
    assert "Traceback" not in outcome.err


def told_interrupted(outcome: Outcome) -> None:
    assert outcome.code == 130
    assert "Interrupted. Nothing that was recorded is lost; the same command continues." in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.usefixtures("place")
def test_a_disk_that_is_full_when_a_task_is_added_loses_nothing() -> None:
    assert_survives(ADD, FULL, 3, told_full)


@pytest.mark.usefixtures("place")
def test_a_disk_that_is_full_when_a_system_grows_loses_nothing() -> None:
    done(ADD)
    assert_survives(GROW_B, FULL, 4, told_full)


@pytest.mark.usefixtures("place")
def test_a_full_disk_while_a_system_is_made_leaves_one_that_can_be_completed() -> None:
    shutil.rmtree("grove")
    Path("grove").mkdir()
    assert_survives(INIT, FULL, 6, told_full)


@pytest.mark.usefixtures("place")
def test_an_interrupted_command_is_continued_by_the_same_command() -> None:
    done(ADD)
    assert_survives(GROW_B, KeyboardInterrupt(), 3, told_interrupted)


def forbid_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a read-only file system; modes would not do, since the superuser may write anywhere."""
    opened = os.open

    def reading(path: str | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise READ_ONLY
        return opened(path, flags, mode, dir_fd=dir_fd)

    def refuse(*_: object, **__: object) -> None:
        raise READ_ONLY

    monkeypatch.setattr(os, "open", reading)
    for change in ("mkdir", "link", "rename", "unlink"):
        monkeypatch.setattr(os, change, refuse)


@pytest.mark.parametrize(
    "command",
    [
        "status grove",
        "log grove",
        "show grove a",
        "task list grove",
        "evaluate grove",
        "check grove",
        "predict grove a x.npy",
    ],
)
def test_a_read_only_system_can_be_read(place: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(place / "x.npy", np.zeros((8, 8), np.uint8))
    forbid_writing(monkeypatch)
    done(command)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("command", "names", "advice"),
    [
        (ADD, "grove/probe-", DENIED),
        (f"grow grove {GROW}", "grove/probe-", DENIED),
        ("init new --root vit-tiny-test", "new", DENIED),
        ("report grove pages", "pages", "Choose a folder that you may write to"),
    ],
)
def test_a_read_only_folder_cannot_be_written(
    place: Path, command: str, names: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(place)
    forbid_writing(monkeypatch)
    outcome = taskgrove(command)
    assert outcome.code == 3
    assert_explained(outcome, "storage_access", names, advice)
    assert snapshot(place) == before


def removed(folder: Path) -> None:
    (folder / "b.npz").unlink()


def changed(folder: Path) -> None:
    arrays = good_arrays()
    arrays["y_train"] = arrays["y_train"][::-1]
    save_npz(folder / "b.npz", arrays)


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [(removed, "There is no file .* check the path"), (changed, "'b' has changed.* Restore the data")],
)
def test_a_task_whose_data_went_away_stops_a_run_before_it_starts(
    place: Path, spoil: Callable[[Path], None], advice: str
) -> None:
    save_npz(place / "b.npz", good_arrays())
    done("task add grove b npz:b.npz")
    spoil(place)
    before = snapshot(place)
    outcome = taskgrove(GROW_B)
    assert outcome.code == 2
    assert_explained(outcome, "task_data", "b.npz", advice)
    assert snapshot(place) == before
    assert taskgrove("check grove").code == 0
    save_npz(place / "b.npz", good_arrays())
    done(GROW_B)
