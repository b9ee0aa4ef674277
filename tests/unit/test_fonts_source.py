"""Tasks from a folder of fonts: what is drawn, what a font cannot draw, and who sees which family."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import ImageFont

from taskgrove.domain.errors import TaskDataError, UserError
from taskgrove.tasks.load import load_task
from taskgrove.tasks.scripts import SCRIPTS
from taskgrove.tasks.sources import SOURCES
from taskgrove.tasks.sources.fonts.draw import draw_script
from taskgrove.tasks.sources.fonts.families import Face, family_of, open_fonts, share_out, thin_out

SHIPPED = Path(matplotlib.get_data_path(), "fonts", "ttf")
FAMILIES = ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "STIXGeneral", "cmr10")
SIZE = 24


def font(name: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(SHIPPED / f"{name}.ttf"), SIZE, layout_engine=ImageFont.Layout.BASIC)


def face(family: str, number: int) -> Face:
    images = np.zeros((0, SIZE, SIZE), np.uint8)
    return Face(path=Path(f"{family}-{number}.ttf"), family=family, images=images)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six font files of five families."""
    for name in FAMILIES:
        shutil.copy(SHIPPED / f"{name}.ttf", tmp_path)
    (tmp_path / "OFL.txt").write_text("not a font")
    return tmp_path


def test_there_are_enough_scripts_and_no_character_is_asked_for_twice() -> None:
    characters = [character for script in SCRIPTS.values() for character in script]
    assert len(SCRIPTS) >= 20
    assert len(characters) >= 600
    assert len(set(characters)) == len(characters)
    assert all(unicodedata.name(character, "") for character in characters)


def test_characters_are_centred_and_equally_large() -> None:
    size = 64
    drawn = draw_script(font("DejaVuSans").font_variant(size=size), "aLil", size)
    assert drawn is not None
    assert drawn.dtype == np.uint8
    assert drawn.shape == (4, size, size)
    for image in drawn:
        rows, columns = np.nonzero(image > 100)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert abs(max(height, width) - 0.8 * size) <= 4
        for middle in (rows.min() + rows.max(), columns.min() + columns.max()):
            assert abs(middle / 2 - (size - 1) / 2) <= 0.06 * size


@pytest.mark.parametrize("name", ["cmr10", "STIXGeneral"])
def test_a_font_without_the_glyphs_is_noticed(name: str) -> None:
    armenian = SCRIPTS["armenian_lower"]
    assert draw_script(font("DejaVuSans"), armenian, SIZE) is not None
    assert draw_script(font(name), armenian, SIZE) is None


def test_a_single_missing_glyph_is_noticed_wherever_it_stands() -> None:
    for place in range(4):
        characters = "abcd"[:place] + "ա" + "abcd"[place:]
        assert draw_script(font("cmr10"), characters, SIZE) is None
    assert draw_script(font("cmr10"), "abcd", SIZE) is not None


def test_a_font_that_has_nothing_to_show_for_a_character_is_noticed() -> None:
    assert draw_script(font("DejaVuSans"), "ab\u2003cd", SIZE) is None


def test_a_font_of_placeholders_is_noticed() -> None:
    assert draw_script(font("LastResortHE-Regular"), SCRIPTS["digits"], SIZE) is None


@pytest.mark.parametrize("name", ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique"])
def test_weight_and_slant_are_no_part_of_the_family(name: str) -> None:
    assert family_of(font(name)) == "DejaVu Sans"


def test_no_family_has_two_roles() -> None:
    faces = [face(f"family{i}", number) for i in range(40) for number in range(1 + i % 3)]
    roles = share_out(faces, "thai", 0)
    families = {role: {f.family for f in chosen} for role, chosen in roles.items()}
    assert sum(map(len, families.values())) == len(set.union(*families.values())) == 40
    assert {role: len(names) for role, names in families.items()} == {"train": 32, "val": 4, "test": 4}
    assert sorted(f.path for chosen in roles.values() for f in chosen) == sorted(f.path for f in faces)


def test_who_is_held_out_depends_on_the_seed_and_the_script() -> None:
    faces = [face(f"family{i}", 0) for i in range(40)]
    chosen = [
        share_out(faces, script, seed)["test"] for script, seed in (("thai", 0), ("thai", 1), ("lao", 0))
    ]
    assert chosen[0] != chosen[1]
    assert chosen[0] != chosen[2]
    assert chosen[0] == share_out(faces, "thai", 0)["test"]


def test_the_largest_family_is_trained_on() -> None:
    faces = [face("small", 0), face("large", 0), face("large", 1), face("other", 0)]
    for seed in range(5):
        assert {f.family for f in share_out(faces, "thai", seed)["train"]} == {"large"}


def test_with_too_few_families_files_are_shared_out() -> None:
    roles = share_out([face("only", number) for number in range(5)], "thai", 0)
    assert {role: len(chosen) for role, chosen in roles.items()} == {"train": 3, "val": 1, "test": 1}


def test_fewer_than_three_files_are_refused() -> None:
    with pytest.raises(TaskDataError, match=r"2 font file.* three are needed.* Add fonts"):
        share_out([face("one", 0), face("two", 0)], "thai", 0)


def test_a_large_family_is_thinned_out_evenly() -> None:
    faces = [face("large", number) for number in range(10)] + [face("small", 0)]
    kept = thin_out(faces, 4)
    assert [f.path.name for f in kept] == [
        "large-0.ttf",
        "large-3.ttf",
        "large-6.ttf",
        "large-9.ttf",
        "small-0.ttf",
    ]
    assert thin_out(faces, 100) == sorted(faces, key=lambda f: f.path.name)


def test_a_task_of_a_folder_holds_every_character_once_per_font(folder: Path) -> None:
    data = load_task(f"fonts:latin_upper@{folder}?size=16", {})
    assert data.class_names == tuple(SCRIPTS["latin_upper"])
    splits = (data.train, data.val, data.test)
    num_files = [len(split.labels) / len(data.class_names) for split in splits]
    assert sum(num_files) == 6
    for split in splits:
        assert split.images.shape[1:] == (16, 16, 1)
        assert set(split.labels) == set(range(len(data.class_names)))
    pictures = [{image.tobytes() for image in split.images} for split in splits]
    assert not pictures[0] & pictures[1]
    assert not pictures[0] & pictures[2]


def test_fonts_that_cannot_draw_the_script_are_left_out(folder: Path) -> None:
    raw = SOURCES["fonts"].load(f"armenian_upper@{folder}")
    num_images = sum(len(split.labels) for split in raw.splits.values())
    assert num_images == 4 * len(SCRIPTS["armenian_upper"])  # neither STIX nor Computer Modern has them


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("klingon@/tmp", "no script named 'klingon'.* Known: arabic"),
        ("digits", "folder of fonts is missing; write fonts:digits@<folder>"),
        ("digits@/no/such/folder", "no folder of fonts /no/such/folder"),
        ("digits@.?size=7", "size must be a whole number from 8 to 256, got '7'"),
        ("digits@.?colour=red", "no option named 'colour'"),
        ("runic@FOLDER", "0 font file.* can draw every character of runic"),
    ],
)
def test_wrong_arguments_are_explained(argument: str, said: str, folder: Path) -> None:
    with pytest.raises(UserError, match=said):
        SOURCES["fonts"].load(argument.replace("FOLDER", str(folder)))


def test_a_folder_without_fonts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskDataError, match=r"holds no font files; they end in \.otf"):
        open_fonts(tmp_path, SIZE)


def test_a_file_that_is_no_font_is_named(folder: Path) -> None:
    (folder / "broken.ttf").write_bytes(b"nonsense")
    with pytest.raises(TaskDataError, match=r"broken\.ttf is not a font that can be read"):
        open_fonts(folder, SIZE)
