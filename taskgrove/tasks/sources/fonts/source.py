"""`fonts:<script>@<folder>`: a script's characters as every font of a folder draws them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from taskgrove.domain.errors import TaskDataError, UnknownNameError
from taskgrove.tasks.arguments import absolute_path, join_options, split_options, whole_number
from taskgrove.tasks.base import AbstractSource, RawData, Split
from taskgrove.tasks.checks import as_raw, as_split
from taskgrove.tasks.scripts import SCRIPTS
from taskgrove.tasks.sources.fonts.draw import draw_script
from taskgrove.tasks.sources.fonts.families import Face, family_of, open_fonts, share_out, thin_out

_DEFAULTS = {"per_family": "4", "seed": "0", "size": "40"}


@final
class FontsSource(AbstractSource):
    """One clean image of each character and font file; validation and test use families of their own."""

    name: ClassVar[str] = "fonts"
    summary: ClassVar[str] = (
        "fonts:script@folder[?size=40&per_family=4&seed=0], characters as every font of a folder draws them"
    )

    def normalise(self, argument: str) -> str:
        head, options = split_options(argument, _DEFAULTS)
        script, _, folder = head.partition("@")
        if script not in SCRIPTS:
            raise UnknownNameError.of("script", script, SCRIPTS)
        for name, low, high in (("per_family", 1, 100), ("size", 8, 256), ("seed", 0, 2**31)):
            options[name] = str(whole_number(options, name, low, high))
        if not folder:
            raise TaskDataError(f"The folder of fonts is missing; write fonts:{script}@<folder>.")
        return join_options(f"{script}@{absolute_path(folder)}", options)

    def load(self, argument: str) -> RawData:
        head, options = split_options(self.normalise(argument), _DEFAULTS)
        script, _, folder = head.partition("@")
        faces = _faces(Path(folder), SCRIPTS[script], int(options["size"]))
        kept = thin_out(faces, int(options["per_family"]))
        roles = share_out(kept, script, int(options["seed"]))
        splits = {role: _split(chosen, script) for role, chosen in roles.items()}
        return as_raw(splits, tuple(SCRIPTS[script]), f"fonts:{script}")


def _faces(folder: Path, characters: str, size: int) -> list[Face]:
    opened = open_fonts(folder, size)
    drawn = ((path, font, draw_script(font, characters, size)) for path, font in opened)
    return [
        Face(path=path, family=family_of(font), images=images)
        for path, font, images in drawn
        if images is not None
    ]


def _split(faces: Sequence[Face], script: str) -> Split:
    """All characters of the first font, then of the next: any slice holds all classes evenly."""
    images = np.concatenate([face.images for face in faces])
    labels = np.tile(np.arange(len(SCRIPTS[script]), dtype=np.int64), len(faces))
    return as_split(images, labels, script)
