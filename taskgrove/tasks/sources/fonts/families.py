"""The font files of a folder, and which families only validation or the test may use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from taskgrove.domain.errors import TaskDataError
from taskgrove.domain.seeds import derive
from taskgrove.tasks.sources.fonts.draw import Drawing

ENDINGS = (".otf", ".ttf", ".woff", ".woff2")
_HELD_OUT = 0.1
"""Of the families for validation, and again for the test."""
_FEWEST = 3
"""Families or files: one for each of train, val and test."""
_STYLE = re.compile(
    r"[ -](thin|hairline|(extra|ultra|semi|demi)? ?(light|bold|condensed|expanded)|regular|book|medium"
    r"|black|heavy|italic|oblique|cond|normal|roman|x?[0-9]+)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What one font file draws of a script.

    Attributes:
        path: Of the file.
        family: Without the words for weight and slant.
        images: See `draw_script`.
    """

    path: Path
    family: str
    images: Drawing


def open_fonts(folder: Path, size: int) -> list[tuple[Path, ImageFont.FreeTypeFont]]:
    """Every font file of a folder at `size` pixels, in order of file name.

    Raises:
        TaskDataError: There is no such folder, it holds no fonts, or one cannot be read.
    """
    if not folder.is_dir():
        raise TaskDataError(f"There is no folder of fonts {folder}; check the path behind the @.")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS)
    if not paths:
        raise TaskDataError(f"{folder} holds no font files; they end in {', '.join(ENDINGS)}.")
    return [(path, _open(path, size)) for path in paths]


@lru_cache(maxsize=4096)
def _open(path: Path, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:
        raise TaskDataError(f"{path} is not a font that can be read ({error}).") from error


def family_of(font: ImageFont.FreeTypeFont) -> str:
    """The family without the words for weight, width and slant, which many fonts put into its name."""
    name = font.getname()[0] or ""
    while (shorter := _STYLE.sub("", name)) != name:
        name = shorter
    return name


def thin_out(faces: Sequence[Face], most: int) -> list[Face]:
    """At most so many files of each family, spread evenly over its files."""
    families: dict[str, list[Face]] = {}
    for face in faces:
        families.setdefault(face.family, []).append(face)
    kept = (f[:: max(1, -(-len(f) // most))] for f in families.values())
    return sorted((face for group in kept for face in group), key=lambda face: face.path.name)


def share_out(faces: Sequence[Face], script: str, seed: int) -> dict[str, list[Face]]:
    """Faces by role: no family has two roles; when there are fewer than three families, no file has.

    The family with the most files is trained on.

    Raises:
        TaskDataError: Fewer than three files can draw the script.
    """
    if len(faces) < _FEWEST:
        raise TaskDataError(
            f"{len(faces)} font file(s) of the folder can draw every character of {script}; three are "
            "needed, since validation and test are drawn with fonts that training has not seen. Add fonts."
        )
    by_family = len({face.family for face in faces}) >= _FEWEST
    unit = {face.path: face.family if by_family else face.path.name for face in faces}
    largest = max(sorted(set(unit.values())), key=list(unit.values()).count)
    others = sorted({*unit.values()} - {largest}, key=lambda name: derive(seed, "held out", script, name))
    num = max(1, round(len(others) * _HELD_OUT))
    val, test = set(others[:num]), set(others[num : 2 * num])
    return {
        "train": [face for face in faces if unit[face.path] not in val | test],
        "val": [face for face in faces if unit[face.path] in val],
        "test": [face for face in faces if unit[face.path] in test],
    }
