"""`glyphs:<script>`: a classification task of drawn characters, whose test uses unseen fonts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np

from taskgrove.domain.errors import UnknownNameError
from taskgrove.domain.seeds import derive
from taskgrove.tasks.arguments import absolute_path, join_options, split_options, whole_number
from taskgrove.tasks.base import AbstractSource, RawData, Split
from taskgrove.tasks.checks import as_raw, as_split
from taskgrove.tasks.sources.glyphs.fonts import SHIPPED, Font, covering, held_out
from taskgrove.tasks.sources.glyphs.render import draw
from taskgrove.tasks.sources.glyphs.scripts import SCRIPTS

_DEFAULTS = {"fonts": SHIPPED, "per_class": "60", "seed": "0", "size": "32"}


@final
class GlyphsSource(AbstractSource):
    """Characters of a script, each drawn `per_class` times for training, a third of that for val and test.

    Validation is drawn with the fonts of training, the test with fonts that nothing else uses.
    """

    name: ClassVar[str] = "glyphs"
    summary: ClassVar[str] = (
        "glyphs:script[?per_class=60&size=32&seed=0&fonts=path], drawn characters, offline"
    )

    def normalise(self, argument: str) -> str:
        script, options = split_options(argument, _DEFAULTS)
        if script not in SCRIPTS:
            raise UnknownNameError.of("script", script, SCRIPTS)
        if options["fonts"] != SHIPPED:
            options["fonts"] = absolute_path(options["fonts"])
        for name, low, high in (("per_class", 1, 10_000), ("size", 8, 256), ("seed", 0, 2**31)):
            options[name] = str(whole_number(options, name, low, high))
        return join_options(script, options)

    def load(self, argument: str) -> RawData:
        script, options = split_options(self.normalise(argument), _DEFAULTS)
        seed, size, num_train = (int(options[name]) for name in ("seed", "size", "per_class"))
        seen, unseen = held_out(covering(options["fonts"], SCRIPTS[script]), script, seed)
        num_held_out = max(1, num_train // 3)
        plan = {"train": (seen, num_train), "val": (seen, num_held_out), "test": (unseen, num_held_out)}
        splits = {
            role: _drawn(script, fonts, count, size, (seed, script, role))
            for role, (fonts, count) in plan.items()
        }
        return as_raw(splits, tuple(SCRIPTS[script]), f"glyphs:{script}")


def _drawn(
    script: str, fonts: Sequence[Font], per_class: int, size: int, path: tuple[str | int, ...]
) -> Split:
    """Every character `per_class` times, the fonts in turn, all classes mixed evenly."""
    characters = SCRIPTS[script]
    images = np.empty((per_class * len(characters), size, size), np.uint8)
    for number in range(len(images)):
        index, label = divmod(number, len(characters))
        font = fonts[(index + label) % len(fonts)].path
        seed = derive(*path, characters[label], font.name, index)
        images[number] = draw(font, characters[label], size, seed)
    labels = np.tile(np.arange(len(characters), dtype=np.int64), per_class)
    return as_split(images, labels, script)
