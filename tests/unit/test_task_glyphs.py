"""Drawn characters: which fonts draw them, and how they look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.sources.glyphs.fonts import SHIPPED, Font, covering, held_out
from taskgrove.tasks.sources.glyphs.render import draw
from taskgrove.tasks.sources.glyphs.scripts import SCRIPTS
from taskgrove.tasks.sources.glyphs.source import GlyphsSource

FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")


def test_the_shipped_fonts_cover_every_script_at_least_twice() -> None:
    for script, characters in SCRIPTS.items():
        assert len(set(characters)) == len(characters) >= 10, script
        train, test = held_out(covering(SHIPPED, characters), script, 0)
        assert train, script
        assert test, script
        assert not {font.path for font in train} & {font.path for font in test}, script


def test_families_are_held_out_whole_where_there_are_several() -> None:
    train, test = held_out(covering(SHIPPED, SCRIPTS["greek"]), "greek", 0)
    assert not {font.family for font in train} & {font.family for font in test}
    assert {font.path.name for font in covering(SHIPPED, SCRIPTS["hebrew"])} == {
        f"DejaVuSans{style}.ttf" for style in ("", "-Bold", "-Oblique", "-BoldOblique")
    }


def test_placeholder_and_symbol_fonts_are_never_used() -> None:
    names = {font.path.name for font in covering(SHIPPED, "abc")}
    assert {"DejaVuSans.ttf", "cmr10.ttf"} <= names
    assert not {"LastResortHE-Regular.ttf", "cmsy10.ttf", "cmex10.ttf"} & names


def test_one_font_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "only.ttf").symlink_to(FONTS / "DejaVuSans.ttf")
    with pytest.raises(TaskDataError, match=r"1 font file\(s\) can draw every character of greek"):
        GlyphsSource().load(f"greek?fonts={tmp_path}")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    with pytest.raises(TaskDataError, match=r"broken\.ttf is not a font"):
        GlyphsSource().load(f"greek?fonts={tmp_path}")


def test_a_folder_of_fonts_can_be_given(tmp_path: Path) -> None:
    for name in ("DejaVuSans.ttf", "DejaVuSerif.ttf"):
        (tmp_path / name).symlink_to(FONTS / name)
    raw = GlyphsSource().load(f"digits?fonts={tmp_path}&per_class=3&size=16")
    assert {name: split.images.shape for name, split in raw.splits.items()} == {
        "train": (30, 16, 16, 1),
        "val": (10, 16, 16, 1),
        "test": (10, 16, 16, 1),
    }


def test_seeds_change_the_drawings_and_nothing_else_does() -> None:
    path = FONTS / "DejaVuSans.ttf"
    assert np.array_equal(draw(path, "a", 24, 1), draw(path, "a", 24, 1))
    assert not np.array_equal(draw(path, "a", 24, 1), draw(path, "a", 24, 2))
    load = GlyphsSource().load
    one, other = load("digits?per_class=3&seed=1"), load("digits?per_class=3&seed=2")
    assert not np.array_equal(one.splits["train"].images, other.splits["train"].images)


def test_no_drawing_is_in_two_splits() -> None:
    splits = GlyphsSource().load("digits?per_class=9").splits.values()
    drawings = [image.tobytes() for split in splits for image in split.images]
    assert len(set(drawings)) == len(drawings) == 150


@pytest.mark.parametrize("script", ["greek", "arabic", "ogham", "latin_upper"])
def test_drawings_are_inside_the_image_and_stand_out(script: str) -> None:
    images_ = GlyphsSource().load(f"{script}?per_class=8").splits["train"].images[..., 0].astype(int)
    ground, light = np.median(images_, axis=(1, 2)), images_.max(axis=(1, 2))
    assert (light - ground).min() > 60
    rim = np.concatenate([images_[:, 0], images_[:, -1], images_[:, :, 0], images_[:, :, -1]], axis=1)
    assert (rim.max(axis=1) > (ground + light) / 2).mean() < 0.02
    ink = images_ > ((ground + light) / 2)[:, None, None]
    centre = (ink * np.arange(32)).sum((1, 2)) / ink.sum((1, 2))
    assert abs(centre.mean() - 15.5) < 1.5


def test_fonts_of_one_family_are_held_out_by_file() -> None:
    fonts: Sequence[Font] = [Font(path=Path(f"{i}.ttf"), family="One") for i in range(8)]
    train, test = held_out(fonts, "greek", 3)
    assert (len(train), len(test)) == (6, 2)
    assert held_out(fonts, "greek", 3) == (train, test)
