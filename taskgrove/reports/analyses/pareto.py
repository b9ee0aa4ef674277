"""Which variants form a curve, and which are not dominated (000, Figure 2; 001, Figures 3 and 4)."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from taskgrove.reports.analyses.comparison import COSTS, MEASURES, QUALITY, Comparison, Measure, spread
from taskgrove.reports.analyses.run import Settings
from taskgrove.reports.analyses.tidy import TidyTable

AXES = tuple(
    measure
    for measure in (*MEASURES, *COSTS)
    if measure.name in ("params_roots_counted", "flops", "train_flops")
)
"""What quality is weighed against."""
_SYMBOLS = {"score.scale": "s"}
"""Of the papers; other settings go by the last part of their names."""
_DRAWS = frozenset({"agent.options.draw"})
"""Numbers that only name what was drawn at random: their order means nothing."""
_WORDS = re.compile(r"\w[\w.+=-]*|\W")


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Variants that differ in one number alone, or a variant on its own.

    Attributes:
        label: What their labels have in common.
        setting: Dotted name of the number; "" for a variant on its own.
        variants: In order of the number.
        values: Of the number; empty for a variant on its own.
    """

    label: str
    setting: str
    variants: tuple[str, ...]
    values: tuple[float, ...]

    @property
    def symbol(self) -> str:
        """What the number is called in pictures."""
        return _SYMBOLS.get(self.setting, self.setting.rpartition(".")[2])


def curves(comparison: Comparison) -> tuple[Curve, ...]:
    """The variants that have a finished run, each in one curve, in the order of the file.

    A variant that fits several curves, as in a grid of two numbers, goes to the one with most others.
    One whose settings are not known stays on its own, and so does one that differs from others in a
    number that is not spelled out.
    """
    left = [name for name in comparison.variants if comparison.of(name)]
    order, found = {name: place for place, name in enumerate(left)}, list[Curve]()
    while longest := _longest({name: comparison.settings.get(name, {}) for name in left}):
        found.append(longest)
        left = [name for name in left if name not in longest.variants]
    found += (Curve(label=name, setting="", variants=(name,), values=()) for name in left)
    return tuple(sorted(found, key=lambda curve: min(order[name] for name in curve.variants)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a variant lies between cost and quality: means over its runs, with standard deviations.

    Attributes:
        cost, quality: Means.
        cost_std, quality_std: None for a single run.
    """

    cost: float
    quality: float
    cost_std: float | None = None
    quality_std: float | None = None


def places(comparison: Comparison, cost: Measure) -> dict[str, Place]:
    """Where the variants lie whose cost and quality are known, by variant in the order of the file."""
    found: dict[str, Place] = {}
    for name in comparison.variants:
        x, y = spread(comparison.of(name), cost), spread(comparison.of(name), QUALITY)
        if x.mean is not None and y.mean is not None:
            found[name] = Place(cost=x.mean, quality=y.mean, cost_std=x.std, quality_std=y.std)
    return found


def frontier(places: Mapping[str, Place]) -> tuple[str, ...]:
    """The variants that no other one beats in the mean: by less cost and as good, or better at no more cost.

    Returns:
        In order of cost.
    """
    best = [name for name, own in places.items() if not any(_beats(place, own) for place in places.values())]
    return tuple(sorted(best, key=lambda name: places[name].cost))


def tidy(comparison: Comparison) -> TidyTable:
    """One row per finished run: where it lies, its curve, and whether its variant is on the frontiers."""
    measures = tuple(dict.fromkeys((*MEASURES, *AXES)))
    best = [frontier(places(comparison, axis)) for axis in AXES]
    rows = []
    for curve in curves(comparison):
        for i, name in enumerate(curve.variants):
            place = (curve.label, curve.setting, curve.values[i] if curve.values else None)
            marks = [int(name in names) for names in best]
            for run in comparison.of(name):
                rows.append((name, run.seed, *place, *(m.of(run) for m in measures), *marks))
    return TidyTable(
        headings=(
            *("variant", "seed", "curve", "setting", "value"),
            *(measure.name for measure in measures),
            *(f"frontier_of_{axis.name}" for axis in AXES),
        ),
        rows=tuple(rows),
    )


def _beats(a: Place, b: Place) -> bool:
    return a.cost <= b.cost and a.quality >= b.quality and (a.cost, a.quality) != (b.cost, b.quality)


def _longest(settings: Mapping[str, Settings]) -> Curve | None:
    """The curve with most variants; of several the first."""
    groups: dict[tuple[str, Hashable], dict[str, float]] = {}
    for name, own in settings.items():
        for place, value in own.items():
            if place not in _DRAWS and isinstance(value, (int, float)) and not isinstance(value, bool):
                others = frozenset((key, other) for key, other in own.items() if key != place)
                groups.setdefault((place, others), {})[name] = value
    curve = {key: group for key, group in groups.items() if len(set(group.values())) > 1}
    if not curve:
        return None
    (setting, _), group = max(curve.items(), key=lambda item: len(item[1]))
    names = sorted(group, key=lambda name: group[name])
    return Curve(
        label=_common(names),
        setting=setting,
        variants=tuple(names),
        values=tuple(group[name] for name in names),
    )


def _common(labels: Sequence[str]) -> str:
    """What labels begin and end with, in whole words; … for what differs.

    Example:
        >>> _common(["adapters 32, glyphs root", "adapters 512, glyphs root"])
        'adapters …, glyphs root'
        >>> _common(["µ2Net+, glyphs root", "µ2Net+ s=0.3, glyphs root"])
        'µ2Net+, glyphs root'
    """
    split = [_WORDS.findall(label) for label in labels]
    head = _shared(split)
    rest = [words[len(head) :] for words in split]
    tail = _shared([words[::-1] for words in rest])[::-1]
    middle = ["…"] if all(len(words) > len(tail) for words in rest) else []
    if not any(word[0].isalnum() for word in (*head, *tail)):
        return f"{labels[0]} … {labels[-1]}"
    return "".join([*head, *middle, *tail]).strip()


def _shared(sequences: Sequence[Sequence[str]]) -> list[str]:
    """What all begin with."""
    same = takewhile(lambda items: len(set(items)) == 1, zip(*sequences, strict=False))
    return [items[0] for items in same]
