"""The parts of a page, before they become Markdown or HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture with what belongs to it.

    Attributes:
        title: What it shows, for those who cannot see it.
        caption: How to read it, in Markdown.
        files: Paths of the same picture in several formats, the best one for a page first; may be empty.
        numbers: Path of the numbers behind it; None when they were not asked for.
    """

    title: str
    caption: str
    files: tuple[str, ...]
    numbers: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what stands below it.

    Attributes:
        title: Of the section; "" for what stands at the top of the page.
        parts: Markdown, and pictures.
    """

    title: str
    parts: tuple[str | Picture, ...]


def grid(headings: Sequence[str], lines: Iterable[Sequence[str]], numbers: bool = False) -> str:
    """A Markdown table.

    Args:
        headings: One per column.
        lines: Cells as text.
        numbers: Whether all columns but the first hold numbers, which stand at the right.
    """
    rules = ["---", *(["---:" if numbers else "---"] * (len(headings) - 1))]
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in (headings, rules, *lines))
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
