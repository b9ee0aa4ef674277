"""Folders of images: what is read from them, and what is wrong with others."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.load import load_task
from taskgrove.tasks.sources.folder import FolderSource


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (8, 6), colour: Any = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def test_folder_reads_class_folders_in_order(tmp_path: Path) -> None:
    save(tmp_path / "dog" / "b.png", colour=(9, 8, 7))
    save(tmp_path / "cat" / "a.bmp", colour=(1, 2, 3))
    save(tmp_path / ".hidden" / "x.png")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    raw = FolderSource().load(str(tmp_path))
    assert raw.class_names == ("cat", "dog")
    split = raw.splits["all"]
    assert split.images.shape == (2, 6, 8, 3)
    assert split.images[:, 0, 0].tolist() == [[1, 2, 3], [9, 8, 7]]
    assert split.labels.tolist() == [0, 1]


def test_folder_reads_splits(tmp_path: Path) -> None:
    for role in ("train", "validation", "test"):
        save(tmp_path / role / "cat" / "a.png")
        save(tmp_path / role / "dog" / "a.png")
    raw = FolderSource().load(str(tmp_path))
    sizes = {name: len(split) for name, split in raw.splits.items()}
    assert sizes == {"test": 2, "train": 2, "validation": 2}


def test_folder_sizes(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png", size=(200, 100))
    save(tmp_path / "dog" / "a.png", size=(200, 100))
    source = FolderSource()
    assert source.load(str(tmp_path)).splits["all"].images.shape[1:3] == (64, 64)
    assert source.load(f"{tmp_path}?size=20").splits["all"].images.shape[1:3] == (20, 20)
    save(tmp_path / "cat" / "a.png", size=(100, 50))
    assert source.load(str(tmp_path)).splits["all"].images.shape[1:3] == (64, 64)
    save(tmp_path / "dog" / "a.png", size=(100, 50))
    assert source.load(str(tmp_path)).splits["all"].images.shape[1:3] == (50, 100)


def test_folder_of_grey_images_is_grey_and_of_mixed_ones_is_rgb(tmp_path: Path) -> None:
    save(tmp_path / "cat" / "a.png", "L", colour=7)
    save(tmp_path / "dog" / "a.png", "1", colour=1)
    assert FolderSource().load(str(tmp_path)).splits["all"].images[:, 0, 0].tolist() == [[7], [255]]
    save(tmp_path / "dog" / "a.png", "RGBA", colour=(0, 0, 0, 0))
    pixels = FolderSource().load(str(tmp_path)).splits["all"].images[:, 0, 0]
    assert pixels.tolist() == [[7, 7, 7], [255, 255, 255]]


def test_folder_explains_what_is_wrong(tmp_path: Path) -> None:
    source = FolderSource()
    with pytest.raises(TaskDataError, match="does not exist"):
        source.load(str(tmp_path / "none"))
    with pytest.raises(TaskDataError, match="no class folders"):
        source.load(str(tmp_path))
    save(tmp_path / "cat" / "a.png")
    with pytest.raises(TaskDataError, match="is a file"):
        source.load(str(tmp_path / "cat" / "a.png"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(TaskDataError, match=r"without images \(empty\)"):
        source.load(str(tmp_path))
    (tmp_path / "empty").rmdir()
    with pytest.raises(TaskDataError, match="single class"):
        load_task(f"folder:{tmp_path}", {"train": "all", "val": "all", "test": "all"}, allow_overlap=True)


def test_folder_names_the_damaged_file(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.random.RandomState(0).randint(0, 255, (40, 40, 3), np.uint8)).save(buffer, "PNG")
    save(tmp_path / "cat" / "a.png")
    for content in (b"no image", buffer.getvalue()[:900]):
        (tmp_path / "cat" / "bad.png").write_bytes(content)
        with pytest.raises(TaskDataError, match=r"bad\.png"):
            FolderSource().load(str(tmp_path))
    (tmp_path / "cat" / "bad.png").unlink()
    save(tmp_path / "cat" / "deep.png", "I;16")
    with pytest.raises(TaskDataError, match=r"deep\.png has more than 8 bits"):
        FolderSource().load(str(tmp_path))
