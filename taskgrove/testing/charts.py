"""What every chart promises, as checks that a new chart runs in its own tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import final
from xml.etree import ElementTree

from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.base import AbstractChart, Scope
from taskgrove.testing.systems import synthetic_system

_BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "gif": b"GIF89a"}
_PER_RUN = ("variant", "seed")


def _of_two() -> tuple[Run, ...]:
    """Two variants with two seeds each."""
    systems = [synthetic_system(3, seed) for seed in (0, 1)]
    return tuple(
        Run(view=view, history=history, evaluations=evaluations, variant=variant, seed=seed)
        for variant in ("one", "other")
        for seed, (view, history, evaluations) in enumerate(systems)
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ChartSuite:
    """The conformance suite of charts; each `check_…` raises AssertionError when broken.

    Attributes:
        chart: The chart under test.
        runs: Of several variants and seeds.
    """

    chart: AbstractChart
    runs: Sequence[Run] = field(default_factory=_of_two)

    def checks(self) -> tuple[Callable[[], None], ...]:
        """All checks of the suite."""
        return (
            self.check_the_chart_describes_itself,
            self.check_pictures_are_files_of_their_formats_and_always_the_same,
            self.check_headings_do_not_depend_on_the_runs,
            self.check_nothing_is_drawn_of_nothing,
        )

    def check_the_chart_describes_itself(self) -> None:
        """Name, title, summary and caption are there, and so is a format."""
        chart = self.chart
        assert chart.name.isidentifier(), f"{chart.name!r} is no stem of a file"
        assert chart.title
        assert chart.summary
        assert "\n" not in chart.summary
        assert chart.caption.endswith((".", ":")), f"{chart.name}: captions are sentences"
        assert chart.formats
        assert set(chart.formats) <= set(_BEGINNINGS), f"{chart.name}: {chart.formats}"

    def check_pictures_are_files_of_their_formats_and_always_the_same(self) -> None:
        """Equal runs give equal bytes; only the formats that are wanted are drawn."""
        for runs in self._cases():
            files = self.chart.render(runs, self.chart.formats)
            assert tuple(files) == self.chart.formats
            for suffix, data in files.items():
                assert data.startswith(_BEGINNINGS[suffix]), f"{self.chart.name} is no {suffix}"
                if suffix == "svg":
                    ElementTree.fromstring(data)
            first = self.chart.formats[0]
            assert self.chart.render(runs, (first,)) == {first: files[first]}

    def check_headings_do_not_depend_on_the_runs(self) -> None:
        """Tables of several systems can be joined, and rows fit their headings."""
        tables = [self.chart.tabulate(runs) for runs in (*self._cases(), *self._empty())]
        headings = tables[0].headings
        assert len(set(headings)) == len(headings)
        if self.chart.scope is not Scope.SYSTEM:
            assert headings[:2] == _PER_RUN, f"{self.chart.name}: which run is in the first two columns"
        for table in tables:
            assert table.headings == headings
            assert all(len(row) == len(headings) for row in table.rows)
            assert all(
                value is None or isinstance(value, str | int | float) for r in table.rows for value in r
            )

    def check_nothing_is_drawn_of_nothing(self) -> None:
        """A system without a model gives a picture that says so, and runs without any history, too."""
        for runs in self._empty():
            files = self.chart.render(runs, self.chart.formats[:1])
            assert files[self.chart.formats[0]]

    def _cases(self) -> list[Sequence[Run]]:
        alone = [replace(self.runs[0], variant="", seed=None)]
        cases: dict[Scope, list[Sequence[Run]]] = {
            Scope.SYSTEM: [alone],
            Scope.RUNS: [self.runs],
            Scope.BOTH: [alone, self.runs],
        }
        return cases[self.chart.scope]

    def _empty(self) -> list[Sequence[Run]]:
        nothing = Run(view=SystemView())
        without_history = replace(self.runs[0], history=())
        return [[nothing], [without_history], *([[]] if self.chart.scope is Scope.RUNS else [])]
