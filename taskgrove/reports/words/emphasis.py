"""Columns of means in Markdown: the best is bold, and what seeds alone may explain is in italics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from taskgrove.reports.analyses.comparison import Spread

EMPHASIS: Final = (
    "Bold: the best {where}, and what equals it as printed. Italics: no further from it than the standard "
    "deviations of both together, √(a² + b²): a rough sign that seeds alone may explain the difference. Of a "
    "single seed nothing can be said."
)
"""Says so; `where` is within what a value is the best."""


def emphasised(
    column: Sequence[Spread], shown: Callable[[float | None], str], lower: bool = False, bare: bool = False
) -> list[str]:
    """The cells of a column of which one value is the best, the lowest or the highest.

    Args:
        column: One per variant.
        shown: A number as people read it.
        lower: Whether less is better.
        bare: Without standard deviations.
    """
    known = [each for each in column if each.mean is not None]
    texts = [shown(each.mean) if bare else each.text(shown) for each in column]
    if len({shown(each.mean) for each in known}) < 2:
        return texts
    best = (min if lower else max)(known, key=lambda each: each.mean or 0.0)
    return [_mark(text, each, best, shown) for text, each in zip(texts, column, strict=True)]


def _mark(text: str, own: Spread, best: Spread, shown: Callable[[float | None], str]) -> str:
    if own.mean is None or best.mean is None:
        return text
    if shown(own.mean) == shown(best.mean):
        return f"**{text}**"
    if own.std is None or best.std is None:
        return text
    return f"*{text}*" if abs(own.mean - best.mean) <= math.hypot(own.std, best.std) else text
