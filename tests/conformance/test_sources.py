"""Every registered task source keeps the promises of `SourceSuite`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import matplotlib
import numpy as np
import pytest
from PIL import Image

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.sources import SOURCES
from taskgrove.testing.sources import SourceSuite


def _npz(folder: Path) -> str:
    images = np.arange(2 * 6 * 8 * 8, dtype=np.uint8).reshape(2, 6, 8, 8)
    labels = np.array([0, 1, 2, 0, 1, 2])
    np.savez(folder / "small.npz", x_train=images[0], y_train=labels, x_test=images[1], y_test=labels)
    return str(folder / "small.npz")


def _folder(folder: Path) -> str:
    for number, name in enumerate(["cat", "dog", "cat", "dog"]):
        (folder / name).mkdir(exist_ok=True)
        Image.new("RGB", (9, 7), (50 * number, 0, 9)).save(folder / name / f"{number}.png")
    return f"{folder}?size=16"


def _fonts(folder: Path) -> str:
    shipped = Path(matplotlib.get_data_path(), "fonts", "ttf")
    for name in ("DejaVuSans", "DejaVuSerif", "STIXGeneral"):
        shutil.copy(shipped / f"{name}.ttf", folder)
    return f"digits@{folder}?size=16"


def _glyphs(folder: Path) -> str:
    return "digits?per_class=4&size=16"


def _sklearn(folder: Path) -> str:
    pytest.importorskip("sklearn")
    return "digits"


def _permuted(folder: Path) -> str:
    return f"npz:{_npz(folder)}:3"


def _tfds(folder: Path) -> str:
    return f"shades/rgb?dir={Path(__file__).parents[1]}/data/tfds&label=number"


def _hub(folder: Path) -> str:
    source = SOURCES["folder"].load(_folder(folder)).splits["all"]
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    rows = {"image": list(source.images), "label": source.labels.tolist()}
    datasets.Dataset.from_dict(rows, features=kinds).save_to_disk(str(folder / "saved"))
    return f"{folder}/saved"


def _joined(folder: Path) -> str:
    np.savez(folder / "more.npz", x_test=np.zeros((3, 8, 8), np.uint8), y_test=np.array([2, 1, 0]))
    return f"npz:{_npz(folder)};more=npz:{folder}/more.npz"


def _split(folder: Path) -> str:
    return "glyphs:digits?per_class=4&size=16:1/3"


ARGUMENTS: dict[str, Callable[[Path], str]] = {
    "folder": _folder,
    "fonts": _fonts,
    "glyphs": _glyphs,
    "hub": _hub,
    "joined": _joined,
    "npz": _npz,
    "permuted": _permuted,
    "sklearn": _sklearn,
    "split": _split,
    "tfds": _tfds,
}
NONSENSE: dict[str, tuple[str, ...]] = {
    "folder": ("", "/no/such/folder", "pictures?size=huge", "pictures?size=", "pictures?colour=red"),
    "fonts": ("", "digits", "digits@/no/such/folder", "klingon@.", "digits@.?size=0", "digits@.?bold=1"),
    "glyphs": ("", "klingon", "digits?size=0", "digits?per_class=-1", "digits?fonts=/no/such/folder"),
    "hub": ("", "pets", "a/b/c", "/no/such/folder", "a/b?size=0", "a/b?colour=red", ".?revision=main"),
    "joined": (
        "",
        "npz:x.npz",
        "npz:x.npz;y.npz",
        "npz:x.npz;v=npz:x.npz",
        "npz:/no/such/file.npz;v=glyphs:digits",
        "glyphs:digits;v=glyphs:klingon",
        "glyphs:digits;v=glyphs:greek",
        "glyphs:digits;v=glyphs:digits?size=16",
        f"glyphs:digits;v=arrays:{'ab' * 32}",
    ),
    "npz": ("", "/no/such/file.npz", __file__),
    "permuted": (
        "",
        "npz",
        "npz:x.npz",
        "npz:x.npz:",
        "npz:/no/such/file.npz:1",
        f"npz:{__file__}:1",
        "glyphs:digits:-1",
        "glyphs:digits:1.5",
        f"glyphs:digits:{2**32}",
        "klingon:digits:1",
        "glyphs:klingon:1",
        f"arrays:{'ab' * 32}:1",
    ),
    "sklearn": ("", "iris"),
    "split": (
        "",
        "npz",
        "npz:x.npz",
        "npz:/no/such/file.npz:0/2",
        "glyphs:digits:0",
        "glyphs:digits:0/",
        "glyphs:digits:-1/2",
        "glyphs:digits:2/2",
        "glyphs:digits:0/0",
        "glyphs:digits:0/6",
        "klingon:digits:0/2",
    ),
    "tfds": (
        "",
        "../x",
        "a/b/c",
        "mnist:newest",
        "mnist?dir=/no/such/folder",
        "mnist?size=0",
        "mnist?colour=red",
    ),
}
CHECKS = tuple(
    check.__name__ for check in SourceSuite(source=SOURCES["npz"], argument="", nonsense=()).checks()
)


def test_every_registered_source_is_tested() -> None:
    # arrays cannot be loaded by name, see the last test
    assert set(ARGUMENTS) == set(NONSENSE) == set(SOURCES) - {"arrays"}


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
@pytest.mark.parametrize("check", CHECKS)
def test_source_conforms(name: str, check: str, tmp_path: Path) -> None:
    suite = SourceSuite(source=SOURCES[name], argument=ARGUMENTS[name](tmp_path), nonsense=NONSENSE[name])
    next(method for method in suite.checks() if method.__name__ == check)()


def test_arrays_are_named_by_their_hash_and_come_back_only_from_the_store() -> None:
    arrays = SOURCES["arrays"]
    assert arrays.normalise("ab" * 32) == "ab" * 32
    with pytest.raises(TaskDataError, match="store"):
        arrays.load("ab" * 32)
    with pytest.raises(TaskDataError, match="given in Python"):
        arrays.normalise("my_array")
