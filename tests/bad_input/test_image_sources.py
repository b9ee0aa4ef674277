"""Folders of images, drawn characters and other sources: what cannot be read is named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bad_input.refusals import Case, Prepare, assert_refused, done, good_arrays, nothing, save_npz

ADD = "task add grove x"


def photos(spoil: Prepare = nothing, classes: str = "ab", count: int = 12) -> Prepare:
    """A sound folder `photos` of small grey images, which is then spoilt."""

    def prepare(folder: Path) -> None:
        rng = np.random.default_rng(0)
        for name in classes:
            (folder / "photos" / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (8, 8), np.uint8)
                Image.fromarray(pixels).save(folder / "photos" / name / f"{i}.png")
        spoil(folder / "photos")

    return prepare


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:60])


def save_deep(photos: Path) -> None:
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(photos / "a" / "3.png")


def loose_images(folder: Path) -> None:
    (folder / "photos").mkdir()
    Image.new("L", (8, 8)).save(folder / "photos" / "1.png")


def save_bad_font(folder: Path) -> None:
    (folder / "fonts").mkdir()
    (folder / "fonts" / "broken.ttf").write_bytes(b"no font")


def folder_case(id: str, prepare: Prepare, names: str, advice: str) -> Case:
    command = f"{ADD} folder:photos"
    return Case(id=id, command=command, kind="task_data", names=names, advice=advice, prepare=prepare)


def source_case(
    id: str,
    source: str,
    kind: str,
    names: str,
    advice: str,
    prepare: Prepare = nothing,
) -> Case:
    command = f"{ADD} '{source}'"
    return Case(id=id, command=command, kind=kind, names=names, advice=advice, prepare=prepare)


FOLDERS = [
    folder_case("folder missing", nothing, "photos", "does not exist; .* needs a folder"),
    folder_case(
        "folder is a file", lambda p: (p / "photos").touch(), "photos", "is a file; .* needs a folder"
    ),
    folder_case("one class", photos(classes="a"), "single class", "nothing to tell apart"),
    folder_case("empty class", photos(lambda p: (p / "void").mkdir()), "void", "remove them or add files"),
    folder_case("no class folders", loose_images, "photos", "put the images of each class in a folder"),
    folder_case(
        "corrupt image",
        photos(lambda p: (p / "b" / "5.png").write_bytes(b"no image")),
        "photos/b/5.png",
        "not an image that can be read",
    ),
    folder_case(
        "truncated image", photos(lambda p: truncate(p / "b" / "7.png")), "photos/b/7.png", "damaged"
    ),
    folder_case("16-bit image", photos(save_deep), "photos/a/3.png", "convert it to 8 bits"),
]
SOURCES = [
    source_case(
        "unknown source",
        "parquet:x",
        "unknown_name",
        "'parquet'",
        "Known: arrays, folder, fonts, glyphs, hub, joined, npz",
    ),
    source_case("no colon", "good.npz", "task_data", "'good.npz'", "Did you mean 'npz:good.npz'"),
    source_case("no path", "npz:", "task_data", "path is missing", "behind the colon"),
    source_case("unknown script", "glyphs:klingon", "unknown_name", "'klingon'", "Known: arabic, .*greek"),
    source_case("unknown option", "glyphs:greek?sise=9", "unknown_name", "'sise'", "Did you mean 'size'"),
    source_case("option without value", "glyphs:greek?size=", "task_data", "'size'", "write size="),
    source_case("option out of range", "glyphs:greek?size=4", "task_data", "'4'", "from 8 to 256"),
    source_case("no font folder", "glyphs:greek?fonts=fonts", "task_data", "fonts", "check the option fonts"),
    source_case(
        "no fonts",
        "glyphs:greek?fonts=fonts",
        "task_data",
        "0 font file",
        "more fonts",
        lambda p: (p / "fonts").mkdir(),
    ),
    source_case(
        "broken font", "glyphs:greek?fonts=fonts", "task_data", "broken.ttf", "not a font", save_bad_font
    ),
    source_case("unknown data set", "sklearn:faces", "unknown_name", "'faces'", "Known: digits"),
    source_case("arrays by name", "arrays:x", "task_data", "arrays", "taskgrove.arrays"),
]


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("case", FOLDERS + SOURCES, ids=lambda case: case.id)
def test_sources_that_cannot_be_read_are_refused(case: Case) -> None:
    assert_refused(case)


@pytest.mark.usefixtures("place")
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    advice = r"pip install 'taskgrove\[demo\]'"
    assert_refused(source_case("", "sklearn:digits", "missing_extra", "scikit-learn", advice))


def test_square_brackets_in_a_path_are_shown_as_they_are(place: Path) -> None:
    (place / "[/x]").mkdir(parents=True)
    save_npz(place / "[/x]" / "[bold]good.npz", good_arrays())
    done("task add grove x 'npz:[/x]/[bold]good.npz' --train 'train[stratified 50%:]'")
    assert "train[stratified 50%:]" in done("task list grove --json")
    listed = "".join(done("task list grove").split())
    assert "[/x]/[bold]good.npz" in listed.replace("│", "")
