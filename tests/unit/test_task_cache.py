"""The machine's cache of decoded images: decoded once, whole or not at all, bounded, never wrong."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from taskgrove.cli.progress import GrowDisplay
from taskgrove.cli.reading import reading_shown
from taskgrove.domain.errors import BadValueError, TaskDataError
from taskgrove.tasks import decoding
from taskgrove.tasks.base import RawData
from taskgrove.tasks.cache import ImageCache
from taskgrove.tasks.cache_entry import HEADER_BYTES
from taskgrove.tasks.mapped import MappedImages
from taskgrove.tasks.progress import progress_told_to, tell_progress
from taskgrove.tasks.raster import Encoded, Form, decode
from taskgrove.tasks.sources.folder import FolderSource

KEY, OTHER = "a" * 64, "b" * 64
SHAPE = (3, 2, 2, 1)
IMAGES = np.arange(12, dtype=np.uint8).reshape(SHAPE)


def blocks() -> Iterator[NDArray[np.uint8]]:
    yield IMAGES[:2]
    yield IMAGES[2:]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; files of any age may be kept in it."""
    monkeypatch.setenv("TASKGROVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("taskgrove.tasks.stamps.SETTLED_S", 0.0)
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of ten photographs, of two sizes."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 256, (9 + i % 2, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is decoded from now on."""
    paths: list[Path] = []

    def count(image: Encoded, form: Form) -> NDArray[np.uint8]:
        paths.append(Path(image.where))
        return decode(image, form)

    monkeypatch.setattr(decoding, "decode", count)
    return paths


def read(photos: Path, options: str = "") -> RawData:
    return FolderSource().load(f"{photos}{options}")


def files(home: Path, kind: str = "images") -> list[Path]:
    return sorted(home.glob(f"*.{kind}"))


def test_parallel_decoding_gives_the_images_of_one_after_the_other(
    photos: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "IMAGES_AT_ONCE", 3)
    split = read(photos).splits["all"]
    paths = sorted((photos / "cat").iterdir()) + sorted((photos / "dog").iterdir())
    alone = [decode(Encoded(path, str(path)), Form(64, 64, 3)) for path in paths]
    np.testing.assert_array_equal(split.images, np.stack(alone))
    assert split.labels.tolist() == [0] * 10 + [1] * 10


def test_a_second_load_decodes_nothing(photos: Path, home: Path, decoded: list[Path]) -> None:
    first = read(photos)
    assert len(decoded) == 20
    second = read(photos)
    assert len(decoded) == 20
    np.testing.assert_array_equal(first.splits["all"].images, second.splits["all"].images)
    assert first.class_names == second.class_names


def test_large_entries_are_mapped_and_equal(
    photos: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = read(photos).splits["all"]
    monkeypatch.setattr("taskgrove.tasks.mapped.MAPPED_FROM_BYTES", 0)
    mapped = read(photos).splits["all"]
    assert isinstance(in_memory.pixels, np.ndarray)
    assert isinstance(mapped.pixels, MappedImages)
    np.testing.assert_array_equal(in_memory.images, mapped.images)


@pytest.mark.parametrize("change", ["content", "new file", "gone file", "size option"])
def test_what_changes_the_images_makes_a_new_entry(
    change: str, photos: Path, home: Path, decoded: list[Path]
) -> None:
    before = read(photos).splits["all"].images
    changed = photos / "cat" / "3.png"
    if change == "content":  # of equal size in bytes and with its old times
        status = changed.stat()
        Image.new("RGB", (8, 10)).save(changed)
        changed.write_bytes(changed.read_bytes().ljust(status.st_size, b"\0")[: status.st_size])
        os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "new file":
        Image.new("RGB", (8, 8)).save(photos / "dog" / "new.png")
    elif change == "gone file":
        changed.unlink()
    after = read(photos, "?size=16" if change == "size option" else "").splits["all"].images
    assert not np.array_equal(before, after)
    assert len(files(home)) == 2


def test_files_that_have_changed_just_now_are_not_trusted(
    photos: Path, home: Path, decoded: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskgrove.tasks.stamps.SETTLED_S", 3600.0)
    read(photos)
    read(photos)
    assert len(decoded) == 40
    assert not home.exists()


def test_progress_is_told_from_nothing_to_all(
    photos: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "IMAGES_AT_ONCE", 8)
    told: list[tuple[str, int, int]] = []
    with progress_told_to(lambda *what: told.append(what)):
        read(photos)
    read(photos, "?size=8")
    numbers = [0, 8, 16, 20]
    assert told == [(what, n, 20) for what in ("looking at images", "decoding") for n in numbers]


def test_a_terminal_shows_how_many_files_are_read_and_any_other_stream_nothing(
    photos: Path, home: Path
) -> None:
    screen, pipe = io.StringIO(), io.StringIO()
    for stream in (screen, pipe):
        with reading_shown(Console(file=stream, force_terminal=stream is screen, width=100)):
            read(photos)
            tell_progress("decoding", 7, 20)
    assert "decoding" in screen.getvalue()
    assert "7/20" in screen.getvalue()
    assert not pipe.getvalue()


def test_the_display_of_a_run_shows_the_reading_of_its_tasks() -> None:
    screen = io.StringIO()
    with (
        GrowDisplay(Console(file=screen, force_terminal=True, width=100)) as display,
        progress_told_to(display.read),
    ):
        for done in (0, 7):
            tell_progress("decoding", done, 20)
    assert "decoding" in screen.getvalue()
    assert "7/20" in screen.getvalue()


def test_a_damaged_image_leaves_no_entry(photos: Path, home: Path) -> None:
    broken = photos / "dog" / "9.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(TaskDataError, match=r"9\.png is damaged"):
        read(photos)
    assert not list(home.iterdir())


@pytest.mark.parametrize("damage", ["short", "long", "header", "shape", "empty", "other key"])
def test_a_damaged_entry_is_removed_and_made_again(damage: str, home: Path) -> None:
    cache = ImageCache(home, 10**6)
    cache.keep(KEY, SHAPE, blocks)
    (path,) = files(home)
    content = path.read_bytes()
    damaged = {
        "short": content[:-1],
        "long": content + b"x",
        "header": b"{" + content,
        "shape": content.replace(b"[3, 2,", b"[2, 3,"),
        "empty": b"",
        "other key": content.replace(b"a" * 64, b"c" * 64).replace(b"checksum", b"checksun"),
    }
    path.write_bytes(damaged[damage])
    assert cache.find(KEY) is None
    assert not path.exists()
    cache.keep(KEY, SHAPE, blocks)
    np.testing.assert_array_equal(_memory(cache.find(KEY)), IMAGES)


def _memory(images: NDArray[np.uint8] | MappedImages | None) -> NDArray[np.uint8]:
    assert isinstance(images, np.ndarray)
    return images


class KilledError(BaseException):
    """Stands for the end of the process: nothing is cleaned up after it."""


@pytest.mark.parametrize("step", ["mkdir", "header", "block 1", "block 2", "fsync", "rename"])
@pytest.mark.parametrize("failure", [OSError("no space left"), KilledError()])
def test_a_failure_at_any_step_of_writing_leaves_nothing_that_is_read(
    step: str, failure: BaseException, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    failed = False

    def failing() -> Iterator[NDArray[np.uint8]]:
        nonlocal failed
        for number, block in enumerate(blocks(), 1):
            if step == f"block {number}" and not failed:
                failed = True
                raise failure
            yield block

    with monkeypatch.context() as broken:
        if isinstance(failure, KilledError):
            broken.setattr(Path, "unlink", lambda *_, **__: None)
        targets = {"mkdir": (Path, "mkdir"), "fsync": (os, "fsync"), "rename": (os, "replace")}
        if step in targets:
            broken.setattr(*targets[step], fail)
        if step == "header":
            broken.setattr("taskgrove.tasks.cache_entry.NamedTemporaryFile", fail)
        cache = ImageCache(home, 10**6)
        if isinstance(failure, KilledError):
            with pytest.raises(KilledError):
                cache.keep(KEY, SHAPE, failing)
        else:
            with pytest.warns(RuntimeWarning, match="cannot be written"):
                made = cache.keep(KEY, SHAPE, failing)
            np.testing.assert_array_equal(_memory(made), IMAGES)
            assert not home.exists() or not list(home.iterdir())
    assert cache.find(KEY) is None
    np.testing.assert_array_equal(_memory(cache.keep(KEY, SHAPE, blocks)), IMAGES)
    np.testing.assert_array_equal(_memory(cache.find(KEY)), IMAGES)


WRITER = """
import sys, numpy as np
from pathlib import Path
from taskgrove.tasks.cache import ImageCache
def blocks():
    for n in range(10**9):
        print(n, flush=True)
        yield np.full((1, 100, 100, 1), n % 256, np.uint8)
ImageCache(Path(sys.argv[1]), 10**15).keep("a" * 64, (10**9, 100, 100, 1), blocks)
"""


def test_a_process_that_is_killed_while_it_writes_leaves_no_entry(home: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(home)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    for _ in range(5):
        writer.stdout.readline()
    writer.kill()
    writer.wait()
    writer.stdout.close()
    (partial,) = files(home, "partial")
    cache = ImageCache(home, 10**6)
    assert cache.find(KEY) is None
    cache.keep(KEY, SHAPE, blocks)
    assert partial.exists()  # it might be another process's work
    long_ago = time.time() - 10**6
    os.utime(partial, (long_ago, long_ago))
    cache.keep(OTHER, SHAPE, blocks)
    assert not partial.exists()


def test_the_least_recently_used_entries_go_when_there_is_no_room(home: Path) -> None:
    cache = ImageCache(home, 3 * (HEADER_BYTES + IMAGES.nbytes))
    keys = [letter * 64 for letter in "abcd"]
    for age, key in zip((30, 20, 10), keys[:3], strict=True):
        cache.keep(key, SHAPE, blocks)
        past = time.time() - age
        os.utime(home / f"{key}.images", (past, past))
    assert cache.find(keys[0]) is not None
    cache.keep(keys[3], SHAPE, blocks)
    assert [key[0] for key in keys if cache.find(key) is not None] == ["a", "c", "d"]
    assert sum(path.stat().st_size for path in files(home)) <= 3 * (HEADER_BYTES + IMAGES.nbytes)


def test_what_is_larger_than_the_cache_is_decoded_in_memory_with_a_warning(home: Path) -> None:
    with pytest.warns(RuntimeWarning, match=r"TASKGROVE_CACHE_GB.*Every run will decode them again"):
        made = ImageCache(home, 100).keep(KEY, SHAPE, blocks)
    np.testing.assert_array_equal(_memory(made), IMAGES)
    assert not home.exists()


def test_a_folder_that_cannot_be_written_to_is_no_error(
    photos: Path, home: Path, decoded: list[Path]
) -> None:
    home.write_text("a file where the folder should be")
    with pytest.warns(RuntimeWarning, match="cannot be written to.*TASKGROVE_CACHE"):
        assert len(read(photos).splits["all"]) == 20
    assert len(decoded) == 20


def test_notes_are_kept_and_damaged_ones_forgotten(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ImageCache(home, 10**6)
    assert cache.recall(KEY) is None
    cache.note(KEY, "something")
    assert cache.recall(KEY) == "something"
    (path,) = files(home, "note")
    path.write_text(path.read_text().replace("some", "nobo"))
    assert cache.recall(KEY) is None
    monkeypatch.setattr("taskgrove.tasks.cache.MAX_NOTES", 2)
    for letter in "cde":
        cache.note(letter * 64, letter)
        time.sleep(0.02)
    assert [letter for letter in "acde" if cache.recall(letter * 64)] == ["d", "e"]


def test_the_environment_names_folder_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKGROVE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    ImageCache.of_machine().keep(KEY, SHAPE, blocks)
    assert len(files(tmp_path / "xdg" / "taskgrove")) == 1
    monkeypatch.setenv("TASKGROVE_CACHE_GB", "0")
    with pytest.warns(RuntimeWarning, match="more than its 0"):
        ImageCache.of_machine().keep(OTHER, SHAPE, blocks)
    for nonsense in ("much", "-1", "inf", "nan"):
        monkeypatch.setenv("TASKGROVE_CACHE_GB", nonsense)
        with pytest.raises(BadValueError, match="TASKGROVE_CACHE_GB must be a size in gigabytes"):
            ImageCache.of_machine()
