"""µ of cloning by depth: means over models, the fitted line, and how they are drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.depth import trends, trends_by_seed
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.charts.depth import DepthChart
from taskgrove.reports.drawing.figures import svg
from tests.unit.handmade_runs import finished, model, run_of

SLOTS = ("embedding", "block_0", "block_1", "block_2", "head")
ROOT = model(None, slots=SLOTS)
ALL = {f"clone:{slot}": 0.2 for slot in SLOTS[:-1]}


def run(*tables: dict[str, float], variant: str = "", seed: int | None = None, slots: int = 5) -> Run:
    """A model for each table; the first one has lost all but `slots` of its slots."""
    models = [
        model(f"t{i}", ROOT, mu=table, slots=SLOTS if i else SLOTS[:slots]) for i, table in enumerate(tables)
    ]
    return run_of(ROOT, [finished(one, ALL) for one in models], models, variant=variant, seed=seed)


def moved(*values: float) -> dict[str, float]:
    return {f"clone:block_{i}": value for i, value in enumerate(values)}


def test_means_and_spreads_are_over_the_models_that_have_the_layer() -> None:
    (trend,) = trends([run(moved(0.1, 0.2), moved(0.2, 0.2, 0.3), slots=3)])
    assert [(d.depth, d.slot, d.count) for d in trend.depths] == [
        (0, "block_0", 2),
        (1, "block_1", 2),
        (2, "block_2", 1),
    ]
    assert [d.mean for d in trend.depths] == pytest.approx([0.15, 0.2, 0.3])
    assert trend.depths[0].std == pytest.approx(0.1 / math.sqrt(2))
    assert trend.depths[2].std is None


def test_the_line_has_the_least_squared_distance_to_the_means() -> None:
    (trend,) = trends([run(moved(0.1, 0.3, 0.2))])
    assert trend.slope == pytest.approx(0.05)  # (−1)(0.1) + (0)(0.3) + (1)(0.2), over 2
    assert trend.intercept == pytest.approx(0.15)  # 0.2 − 0.05


def test_layers_that_have_not_moved_count_and_other_components_do_not() -> None:
    (trend,) = trends([run({"clone:embedding": 0.3, "clone:block_1": 0.3})])
    assert [(d.slot, d.mean) for d in trend.depths] == [("block_0", 0.2), ("block_1", 0.3), ("block_2", 0.2)]


def test_all_models_of_a_variants_seeds_are_taken_together() -> None:
    runs = [
        run(moved(0.1), variant="a", seed=0),
        run(moved(0.3), moved(0.3), variant="a", seed=1),
        run(moved(0.2), variant="b", seed=0),
    ]
    first, second = trends(runs)
    assert (first.variant, first.seed, first.depths[0].count) == ("a", None, 3)
    assert first.depths[0].mean == pytest.approx(0.7 / 3)
    assert second.variant == "b"
    assert [(t.variant, t.seed, t.depths[0].mean) for t in trends_by_seed(runs)] == [
        *(("a", 0, 0.1), ("a", 1, 0.3), ("b", 0, 0.2)),
    ]


def test_a_single_layer_has_no_line() -> None:
    root = model(None, slots=("block_0", "head"))
    only = model("t", root, mu=moved(0.3), slots=("block_0", "head"))
    lonely = run_of(root, [finished(only, ALL)], [only])
    (trend,) = trends([lonely])
    assert (trend.slope, trend.intercept) == (None, None)
    assert not DepthChart().applies([lonely])
    assert len(DepthChart().draw([lonely]).axes[0].lines) == 1


def test_variants_stand_side_by_side_with_band_mean_and_line() -> None:
    runs = [run(moved(0.1, 0.3, 0.2), moved(0.2), variant=name, seed=0) for name in ("a", "b")]
    figure = DepthChart().draw(runs)
    assert [axes.get_title(loc="left").splitlines()[0] for axes in figure.axes[:2]] == ["a", "b"]
    assert figure.axes[0].get_title(loc="left").endswith("slope +0.0250 per layer")
    for axes in figure.axes[:2]:
        assert len(axes.collections) == 1
        mean, line = axes.lines
        assert [float(y) for y in np.asarray(mean.get_ydata())] == pytest.approx([0.15, 0.25, 0.2])
        assert [float(x) for x in np.asarray(line.get_xdata())] == [0, 2]


def test_the_table_has_a_row_for_each_layer_of_each_run() -> None:
    table = DepthChart().tabulate([run(moved(0.1, 0.3, 0.2), variant="a", seed=4)])
    assert table.headings == (
        *("variant", "seed", "depth", "layer", "models", "mean_mu", "std_mu", "slope", "intercept"),
    )
    assert len(table.rows) == 3
    assert table.rows[1][:7] == ("a", 4, 1, "block_1", 1, 0.3, None)
    assert table.rows[1][7:] == pytest.approx((0.05, 0.15))


def test_without_clones_by_chance_the_picture_says_so() -> None:
    empty = Run(view=SystemView())
    assert not DepthChart().applies([empty])
    assert "No model's method clones layers" in svg(DepthChart().draw([empty])).decode()
