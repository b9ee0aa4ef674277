"""Which charts and which kinds of files a report is wanted with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from taskgrove.domain.errors import UnknownNameError
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.base import AbstractChart, Scope
from taskgrove.reports.charts import CHARTS, in_order

PAGES: Final = ("html", "md")
NUMBERS: Final = ("csv", "json")
PICTURES: Final = ("svg", "png", "gif")
FORMATS: Final = (*PAGES, *PICTURES, *NUMBERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to write.

    Attributes:
        only: Names of charts; empty for all that have something to say, with the text around them.
        formats: Suffixes, of `FORMATS`.
    """

    only: tuple[str, ...] = ()
    formats: frozenset[str] = frozenset(FORMATS)

    @classmethod
    def of(cls, only: Iterable[str] = (), formats: Iterable[str] = ()) -> Choice:
        """The choice in words; names may be separated by commas, and none means all.

        Raises:
            UnknownNameError: No chart, or no format, has the name.
        """
        names, suffixes = _names(only), _names(formats)
        for name in names:
            if name not in CHARTS:
                raise UnknownNameError.of("chart", name, CHARTS)
        for suffix in suffixes:
            if suffix not in FORMATS:
                raise UnknownNameError.of("format of a report", suffix, FORMATS)
        return cls(only=names, formats=frozenset(suffixes or FORMATS))

    def charts(self, runs: Sequence[Run], scope: Scope) -> tuple[AbstractChart, ...]:
        """The charts to draw, in the order of a page.

        Args:
            runs: Of what.
            scope: `SYSTEM` for one system on its own, `RUNS` for those of a comparison.

        Raises:
            UnknownNameError: A chart was asked for that cannot be drawn of this.
        """
        fitting = {chart.name: chart for chart in in_order() if chart.scope in (scope, Scope.BOTH)}
        for name in self.only:
            if name not in fitting:
                raise UnknownNameError.of(f"chart of {scope.value}", name, fitting)
        if self.only:
            return tuple(chart for name, chart in fitting.items() if name in self.only)
        return tuple(chart for chart in fitting.values() if chart.applies(runs))


EVERYTHING: Final = Choice()


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))
