"""Pictures of the papers, each with the numbers behind it; others join by the group `taskgrove.charts`."""

from __future__ import annotations

from taskgrove.domain.registry import Registry
from taskgrove.reports.base import AbstractChart
from taskgrove.reports.charts.conflicts import ConflictsChart, LayersChart
from taskgrove.reports.charts.cost import CostChart
from taskgrove.reports.charts.curves import CurvesChart
from taskgrove.reports.charts.depth import DepthChart
from taskgrove.reports.charts.graph import GraphChart
from taskgrove.reports.charts.growth import GrowthChart
from taskgrove.reports.charts.hparams import HparamsChart
from taskgrove.reports.charts.knowledge import KnowledgeChart
from taskgrove.reports.charts.knowledge_matrix import KnowledgeMatrixChart
from taskgrove.reports.charts.metrics import MetricsChart
from taskgrove.reports.charts.mu import MuChart
from taskgrove.reports.charts.pareto import ParetoChart
from taskgrove.reports.charts.progress import ProgressChart

_BUILTIN: tuple[AbstractChart, ...] = (
    ParetoChart(),
    GraphChart(),
    GrowthChart(),
    KnowledgeChart(),
    KnowledgeMatrixChart(),
    CostChart(),
    MetricsChart(),
    ConflictsChart(),
    LayersChart(),
    ProgressChart(),
    CurvesChart(),
    HparamsChart(),
    MuChart(),
    DepthChart(),
)
"""In the order of a report's page."""

CHARTS: Registry[AbstractChart] = Registry(
    "chart", "taskgrove.charts", {chart.name: chart for chart in _BUILTIN}
)


def in_order() -> tuple[AbstractChart, ...]:
    """All charts in the order of a report's page; those of other packages come last, by name."""
    built_in = {chart.name for chart in _BUILTIN}
    return (*_BUILTIN, *(chart for name, chart in CHARTS.items() if name not in built_in))
