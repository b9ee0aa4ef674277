"""`joined:<source>;<prefix>=<source>`: several sources of the same classes as one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from taskgrove.domain.errors import TaskDataError
from taskgrove.tasks.base import AbstractSource, Labels, RawData, Split
from taskgrove.tasks.named import Find, loaded, normalised, refuse_arrays
from taskgrove.tasks.splits import ROW, row_numbers

_FORM = (
    "joined:<source>;<prefix>=<source>, as in joined:npz:cifar10.npz;v1=npz:cifar10_1.npz, whose splits are "
    "train, test and v1.test"
)
_PREFIX = re.compile(r"[A-Za-z]\w{0,29}", re.ASCII)
_OWN = ""
"""What stands before the splits of the first source."""


@final
@dataclass(frozen=True, slots=True)
class JoinedSource(AbstractSource):
    """The splits of several sources that have the same classes and one image shape.

    For tasks that are validated on another data set, as imagenet2012 is on imagenet_v2 (000, Table 4). Splits
    of the first keep their names, those of the others begin with a prefix and a full stop. Labels are the
    first one's: classes are the same where their names are; where one of two sources has numbers for names,
    where their numbers are. Images in files stay there.

    Args:
        find: Finds the other sources.
    """

    name: ClassVar[str] = "joined"
    summary: ClassVar[str] = (
        "joined:source;prefix=source, sources of the same classes side by side, as train and prefix.test"
    )

    find: Find

    def normalise(self, argument: str) -> str:
        texts = {prefix: normalised(text, self.find) for prefix, text in _parse(argument).items()}
        for text in texts.values():
            if ";" in text:
                raise TaskDataError(f"{text} has a semicolon, which parts sources; rename its folder.")
            if list(texts.values()).count(text) > 1:
                raise TaskDataError(f"{text} is joined with itself, so its images would be there twice.")
        return ";".join(f"{prefix}={text}" if prefix else text for prefix, text in texts.items())

    def load(self, argument: str) -> RawData:
        texts = _parse(self.normalise(argument))
        raws = {prefix: loaded(text, self.find) for prefix, text in texts.items()}
        _refuse_other_shapes(raws, texts)
        names = raws[_OWN].class_names
        for prefix, raw in raws.items():
            names = _common_names(names, raw.class_names, texts[_OWN], texts[prefix])
        splits: dict[str, Split] = {}
        first_row = 0
        for prefix, raw in raws.items():
            renamed = _renamed(raw, prefix, names, first_row)
            first_row = 1 + max(int(split.columns[ROW].max()) for split in renamed.values() if len(split))
            splits |= renamed
        return RawData(splits=splits, class_names=names)

    def missing(self, argument: str) -> str:
        found = (self.find(text) for text in _parse(argument).values())
        return ", ".join(filter(None, (source.missing(inner) for source, inner in found)))


def _parse(argument: str) -> dict[str, str]:
    """The sources by prefix."""
    first, *others = argument.split(";")
    texts = {_OWN: first}
    for other in others:
        prefix, _, text = other.partition("=")
        if not _PREFIX.fullmatch(prefix) or prefix in texts:
            what = "is given twice" if prefix and prefix in texts else "is no prefix of letters and digits"
            raise TaskDataError(f"{prefix!r} {what}; write {_FORM}.")
        texts[prefix] = text
    for text in texts.values():
        if ":" not in text or not others:
            raise TaskDataError(f"{argument!r} does not name at least two sources; write {_FORM}.")
        refuse_arrays(text)
    return texts


def _refuse_other_shapes(raws: Mapping[str, RawData], texts: Mapping[str, str]) -> None:
    shapes = {texts[p]: next(iter(raw.splits.values())).pixels.shape[1:] for p, raw in raws.items()}
    if len(set(shapes.values())) > 1:
        raise TaskDataError(
            f"Joined sources must have one image shape, got {shapes}. Bring them to one size: sources "
            "of image files take it as an option, as in folder:photos?size=64; resize arrays before they are "
            "saved, and make grey ones RGB with x.repeat(3, axis=-1)."
        )


def _numbered(names: Sequence[str]) -> bool:
    return list(names) == [str(number) for number in range(len(names))]


def _common_names(one: tuple[str, ...], other: tuple[str, ...], where: str, there: str) -> tuple[str, ...]:
    """The names of both, in the order of the first; one without names may lack the last classes."""
    if _numbered(other) and len(other) <= len(one):
        return one
    if _numbered(one) and len(one) == len(other):
        return other
    if set(one) == set(other):
        return one
    lonely = sorted(set(one) ^ set(other))
    raise TaskDataError(
        f"Joined sources must have the same classes: {where} has {len(one)} and {there} has {len(other)}; "
        f"{', '.join(lonely[:5])}{', …' if len(lonely) > 5 else ''} is in one only. Rename classes, or "
        "leave the names out of one of them if its labels mean the same."
    )


def _renamed(raw: RawData, prefix: str, names: tuple[str, ...], first_row: int) -> dict[str, Split]:
    """The splits under their new names, with joined labels and rows that are nobody else's."""
    labels = _labels(raw.class_names, names)
    return {
        f"{prefix}.{name}" if prefix else name: Split(
            images=split.pixels,
            labels=labels[split.labels],
            columns={**split.columns, ROW: row_numbers(raw, name) + first_row},
        )
        for name, split in raw.splits.items()
    }


def _labels(own: tuple[str, ...], names: tuple[str, ...]) -> Labels:
    """(C,) the joined label of each of a source's labels."""
    if _numbered(own):
        return np.arange(len(own))
    number = {name: label for label, name in enumerate(names)}
    return np.array([number[name] for name in own], np.int64)
