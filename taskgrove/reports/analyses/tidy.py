"""Tidy tables: one row per observation, one column per variable, for other programs."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

Value = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TidyTable:
    """The numbers behind a picture.

    Attributes:
        headings: The same for every system, so that files of several can be joined.
        rows: Each as long as `headings`; None where nothing is known.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    def as_csv(self) -> bytes:
        """UTF-8 with a line of headings; numbers unrounded, unknown ones empty."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.headings)
        writer.writerows(self.rows)
        return out.getvalue().encode()
