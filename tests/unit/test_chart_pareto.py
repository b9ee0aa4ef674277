"""Quality against cost: which variants form curves, who is not beaten, and that the picture can be read."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from taskgrove.reports.analyses.comparison import Comparison, distinguishing, gathered
from taskgrove.reports.analyses.pareto import Place, curves, frontier, tidy
from taskgrove.reports.analyses.run import Run, Settings
from taskgrove.reports.base import Scope
from taskgrove.reports.charts.pareto import ParetoChart, draw_comparison
from taskgrove.reports.drawing.figures import png
from taskgrove.reports.drawing.look import CATEGORIES, MARKERS
from taskgrove.testing.systems import synthetic_system
from tests.unit.outcomes import comparison, outcome

DIM = "agent.options.dim"


def with_settings(settings: dict[str, Settings]) -> Comparison:
    """One run per variant."""
    runs = (outcome(name, 0, 0.5) for name in settings)
    return comparison(*runs, variants=tuple(settings), settings=settings)


def joined(settings: dict[str, Settings]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(curve.label, curve.symbol, curve.variants) for curve in curves(with_settings(settings))]


def labels(figure: Figure) -> list[list[str]]:
    """Of the points of each panel."""
    return [
        [text.get_text() for text in panel.texts if isinstance(text, Annotation)] for panel in figure.axes
    ]


def test_variants_that_differ_in_one_number_form_a_curve_in_its_order() -> None:
    settings: dict[str, Settings] = {
        "adapters 512, r": {"agent.method": "adapters", DIM: 512},
        "µ2Net+, r": {"agent.method": "mu", "score.scale": 1.0},
        "adapters 32, r": {"agent.method": "adapters", DIM: 32},
        "muNet, r": {"agent.method": "munet", "score.scale": 1.0},
        "µ2Net+ s=0.3, r": {"agent.method": "mu", "score.scale": 0.3},
    }
    assert joined(settings) == [
        ("adapters …, r", "dim", ("adapters 32, r", "adapters 512, r")),
        ("µ2Net+, r", "s", ("µ2Net+ s=0.3, r", "µ2Net+, r")),
        ("muNet, r", "", ("muNet, r",)),
    ]
    assert [curve.values for curve in curves(with_settings(settings))] == [(32, 512), (0.3, 1.0), ()]


def test_labels_that_share_no_word_are_named_from_end_to_end() -> None:
    assert joined({"large": {"n": 2}, "small": {"n": 1}})[0][0] == "small … large"


def test_variants_stay_alone_when_nothing_or_more_or_no_number_tells_them_apart() -> None:
    apart: tuple[dict[str, Settings], ...] = (
        {"a": {}, "b": {}},
        {"a": {"s": 1.0}, "b": {"s": 1.0}},
        {"a": {"s": 1.0, "n": 1}, "b": {"s": 0.3, "n": 2}},
        {"a": {"tune": True}, "b": {"tune": False}},
        {"a": {"limit": None}, "b": {"limit": 3}},
        {"a": {"agent.options.draw": 1}, "b": {"agent.options.draw": 2}},
    )
    for settings in apart:
        assert [variants for _, _, variants in joined(settings)] == [("a",), ("b",)]


def test_in_a_grid_a_variant_goes_to_the_longest_curve() -> None:
    grid: dict[str, Settings] = {f"{s} {n}": {"s": s, "n": n} for n in (1, 2) for s in (0.1, 0.3, 1.0)}
    assert [variants for _, _, variants in joined(grid)] == [
        ("0.1 1", "0.3 1", "1.0 1"),
        ("0.1 2", "0.3 2", "1.0 2"),
    ]


def test_only_settings_that_differ_tell_variants_apart() -> None:
    known: dict[str, Settings] = {"a": {"s": 1.0, "n": 1}, "b": {"s": 0.3, "n": 1, "dim": 2}}
    assert distinguishing(known) == {"a": {"s": 1.0}, "b": {"s": 0.3, "dim": 2}}


def test_the_frontier_is_whom_nobody_beats() -> None:
    points = {
        "cheap": (1.0, 0.5),
        "beaten by cheap": (2.0, 0.5),
        "best": (5.0, 0.9),
        "its equal": (5.0, 0.9),
        "beaten by best": (5.0, 0.8),
        "between": (3.0, 0.7),
    }
    places = {name: Place(cost=cost, quality=quality) for name, (cost, quality) in points.items()}
    assert frontier(places) == ("cheap", "between", "best", "its equal")
    assert frontier({}) == ()


def test_the_numbers_have_a_row_per_run() -> None:
    settings: dict[str, Settings] = {"x 1": {"s": 1.0}, "x 2": {"s": 0.5}}
    runs = (outcome("x 1", 0, 0.5), outcome("x 1", 1, 0.7), outcome("x 2", 0, 0.55, params=5e5))
    found = tidy(comparison(*runs, variants=tuple(settings), settings=settings))
    assert found.headings[:5] == ("variant", "seed", "curve", "setting", "value")
    assert [row[:5] for row in found.rows] == [
        ("x 2", 0, "x …", "s", 0.5),
        ("x 1", 0, "x …", "s", 1.0),
        ("x 1", 1, "x …", "s", 1.0),
    ]
    by_name = [dict(zip(found.headings, row, strict=True)) for row in found.rows]
    assert [row["test_accuracy"] for row in by_name] == pytest.approx([0.55, 0.5, 0.7])
    assert [row["frontier_of_params_roots_counted"] for row in by_name] == [1, 1, 1]
    assert [row["frontier_of_flops"] for row in by_name] == [0, 1, 1]
    assert tidy(comparison()).headings == found.headings


def test_a_chart_of_runs_reads_their_systems() -> None:
    view, history, evaluations = synthetic_system(2, seed=1)
    run = Run(view=view, history=history, evaluations=evaluations, variant="v", seed=3, settings={"s": 1.0})
    found = gathered([run])
    assert (found.variants, found.seeds, found.settings) == (("v",), (3,), {"v": {"s": 1.0}})
    tested = [evaluations[view.bests[task]]["test"].accuracy for task in view.tasks]
    assert found.outcomes[0].test_accuracy == pytest.approx(sum(tested) / 2)
    chart = ParetoChart()
    assert chart.scope is Scope.RUNS
    assert not chart.applies([run, run])
    assert chart.tabulate([run]).rows[0][:2] == ("v", 3)
    assert chart.tabulate([run]).headings == chart.tabulate([]).headings


def test_nothing_is_drawn_before_a_run_has_finished() -> None:
    assert draw_comparison(comparison()).texts[0].get_text() == "No run has finished yet."


def test_variants_are_told_apart_by_colour_and_marker() -> None:
    pairs = {(CATEGORIES[i % len(CATEGORIES)], MARKERS[i % len(MARKERS)]) for i in range(35)}
    assert len(pairs) == 35


@pytest.mark.parametrize("num", [1, 24])
def test_labels_of_points_do_not_overlap(num: int) -> None:
    names = tuple(f"variant {i} (${i}$)" for i in range(num))
    runs = [outcome(n, s, 0.7 + 0.004 * i + 0.001 * s, 1e6) for i, n in enumerate(names) for s in (0, 1)]
    figure = draw_comparison(comparison(*runs, variants=names))
    assert png(figure).startswith(b"\x89PNG")
    for panel in figure.axes:
        boxes = [text.get_window_extent() for text in panel.texts if isinstance(text, Annotation)]
        assert len(boxes) == (num if num > 1 else 0)
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:num] == [f"{i + 1}  variant {i} (\\${i}\\$) · 2 seeds" for i in range(num)]


def test_a_curve_has_its_numbers_at_its_points_and_a_band_where_spreads_are_known() -> None:
    scales = (0.1, 0.3, 1.0)
    settings: dict[str, Settings] = {f"m s={s}": {"score.scale": s} for s in scales} | {"z": {"m": "z"}}
    names = tuple(settings)
    runs = [
        outcome(n, s, 0.5 + 0.1 * i + 0.02 * s, 1e6 * (i + 1)) for i, n in enumerate(names) for s in (0, 2)
    ]
    figure = draw_comparison(comparison(*runs, outcome("z", 1, 0.8, 4e6), variants=names, settings=settings))
    assert labels(figure) == [["A 0.1", "A 0.3", "A 1", "1"]] * 3
    (band,) = (c for c in figure.axes[0].collections if isinstance(c, FillBetweenPolyCollection))
    (outline,) = band.get_paths()
    std = 100 * 0.02 * math.sqrt(2)
    corners = np.asarray(outline.vertices, dtype=np.float64)
    heights = corners[corners[:, 0] == 1e6, 1]
    assert (heights.min(), heights.max()) == pytest.approx((52 - std, 52 + std))
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["A  m … · s = 0.1, 0.3, 1 · 2 seeds", "1  z · 3 seeds", "Pareto frontier of the means"]


def test_costs_far_apart_are_drawn_on_a_logarithmic_axis() -> None:
    near = draw_comparison(comparison(outcome("x", 0, 0.5, 1e6), outcome("y", 0, 0.6, 2e6)))
    far = draw_comparison(comparison(outcome("x", 0, 0.5, 1e4), outcome("y", 0, 0.6, 2e6)))
    assert [figure.axes[0].get_xscale() for figure in (near, far)] == ["linear", "log"]
