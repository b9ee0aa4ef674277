"""Every registered chart keeps what charts promise."""

from __future__ import annotations

import pytest

from taskgrove.reports.charts import CHARTS, in_order
from taskgrove.testing.charts import ChartSuite

CHECKS = [
    pytest.param(name, number, id=f"{name}-{check.__name__.removeprefix('check_')}")
    for name, chart in CHARTS.items()
    for number, check in enumerate(ChartSuite(chart=chart, runs=()).checks())
]


@pytest.mark.parametrize(("name", "number"), CHECKS)
def test_conformance(name: str, number: int) -> None:
    ChartSuite(chart=CHARTS[name]).checks()[number]()


def test_the_page_has_every_chart_once() -> None:
    names = [chart.name for chart in in_order()]
    assert sorted(names) == list(CHARTS)
