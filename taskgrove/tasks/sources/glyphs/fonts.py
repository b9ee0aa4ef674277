"""Which font files can draw a script, and which of them only the test may use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.ft2font import FT2Font

from taskgrove.domain.errors import TaskDataError
from taskgrove.domain.seeds import derive

SHIPPED = "matplotlib"
"""Value of the option `fonts` that means the fonts inside Matplotlib."""

_NOT_LETTERS = ("LastResort", "cmex", "cmsy", "cmmi", "STIXNonUni", "STIXSiz")
"""Fonts of Matplotlib that draw symbols, or placeholders, where letters should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Font:
    """A font file and the family it belongs to."""

    path: Path
    family: str


def covering(folder: str, characters: str) -> list[Font]:
    """Fonts that hold every one of the characters, in order of file name.

    Args:
        folder: Path of a folder with .ttf or .otf files, or `SHIPPED`.
        characters: What must be drawn.

    Raises:
        TaskDataError: There is no such folder, or a font file cannot be read.
    """
    root = Path(matplotlib.get_data_path(), "fonts", "ttf") if folder == SHIPPED else Path(folder)
    if not root.is_dir():
        raise TaskDataError(f"There is no folder of fonts {root}; check the option fonts=<path>.")
    paths = sorted(p for p in root.iterdir() if p.suffix.lower() in (".ttf", ".otf"))
    fonts = [_open(path) for path in paths if not path.name.startswith(_NOT_LETTERS)]
    return [
        Font(path=path, family=font.family_name)
        for path, font in fonts
        if all(font.get_char_index(ord(character)) for character in characters)
    ]


def _open(path: Path) -> tuple[Path, FT2Font]:
    try:
        return path, FT2Font(str(path))
    except (RuntimeError, OSError) as error:
        raise TaskDataError(f"{path} is not a font that can be read ({error}).") from error


def held_out(fonts: Sequence[Font], script: str, seed: int) -> tuple[list[Font], list[Font]]:
    """Fonts for training and validation, and a quarter (at least one) for the test.

    Whole families are held out; when a single family covers the script, files of it.

    Raises:
        TaskDataError: Fewer than two files can draw the script.
    """
    if len(fonts) < 2:
        raise TaskDataError(
            f"{len(fonts)} font file(s) can draw every character of {script}; two are needed, since the test "
            "is drawn with fonts that training has not seen. Give a folder with more fonts: fonts=<path>."
        )
    by_family = len({font.family for font in fonts}) > 1
    unit = {font.path: font.family if by_family else font.path.name for font in fonts}
    order = sorted(set(unit.values()), key=lambda name: derive(seed, "held out", script, name))
    test = set(order[: max(1, round(len(order) / 4))])
    return [f for f in fonts if unit[f.path] not in test], [f for f in fonts if unit[f.path] in test]
