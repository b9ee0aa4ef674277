"""A benchmark's result as JSON for programs and Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from taskgrove.reports.drawing.figures import png
from taskgrove.reports.pages.files import write_files

Row = Mapping[str, str | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a benchmark found.

    Attributes:
        title: What was compared.
        conditions: Of the machine and of the work.
        tables: Rows by heading; the rows of a table have the same columns.
        notes: What a reader must know to judge the numbers.
    """

    title: str
    conditions: Mapping[str, str | float]
    tables: Mapping[str, Sequence[Row]]
    notes: Sequence[str] = field(default_factory=tuple)


def save(page: Page, out: Path, picture: Figure | None = None) -> None:
    """Write `<out>.json`, `<out>.md` and, with a picture, `<out>.png`; print the page."""
    text = markdown(page, f"{out.name}.png" if picture else None)
    files = {
        f"{out.name}.json": (json.dumps(asdict(page), indent=1, ensure_ascii=False) + "\n").encode(),
        f"{out.name}.md": text.encode(),
    }
    if picture:
        files[f"{out.name}.png"] = png(picture)
    write_files(out.parent, files)
    print(text)


def markdown(page: Page, picture: str | None) -> str:
    """The page for people."""
    parts = [f"# {page.title}"]
    if picture:
        parts.append(f"![{page.title}]({picture})")
    for heading, rows in page.tables.items():
        parts += [f"## {heading}", _table(rows)]
    parts += [*page.notes, "## Conditions", _listed(page.conditions)]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Row]) -> str:
    if not rows:
        return "None."
    columns = list(rows[0])
    ruler = [":---" if isinstance(rows[0][column], str) else "---:" for column in columns]
    lines = [columns, ruler, *([_text(row[column]) for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _listed(values: Row) -> str:
    return "\n".join(f"- {name}: {_text(value)}" for name, value in values.items())


def _text(value: str | float) -> str:
    """Three significant digits; whole numbers in full."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.3g}"
