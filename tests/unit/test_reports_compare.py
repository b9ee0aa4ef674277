"""Comparisons as tables and pictures: means and spreads, and numbers in the picture that can be read."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from matplotlib.text import Annotation

from taskgrove.domain.ids import TaskName
from taskgrove.reports.analyses.comparison import COSTS, MEASURES, Comparison, Spread, as_json
from taskgrove.reports.analyses.outcome import Cost, Outcome, TaskOutcome
from taskgrove.reports.charts.pareto import COLORS, MARKERS, draw_comparison
from taskgrove.reports.drawing.figures import png
from taskgrove.reports.pages.compare import as_csv, page
from taskgrove.reports.quantities import percent


def outcome(variant: str, seed: int, test: float | None, params: float = 1e6, flops: int = 10**7) -> Outcome:
    tasks = tuple(
        TaskOutcome(
            task=TaskName(name),
            num_classes=2,
            val_accuracy=test,
            test_accuracy=None if test is None else test + shift,
            params_roots_counted=params,
            params_roots_not_counted=2 * params,
            flops=flops,
        )
        for name, shift in (("a", -0.1), ("b", 0.1))
    )
    cost = Cost(children=8, failed=1, samples=640, train_flops=10**10, train_s=61.0, wall_s=None)
    return Outcome(
        variant=variant,
        seed=seed,
        identity="",
        conditions="somewhere",
        tasks=tasks,
        distinct_params=3,
        separate_params=4,
        cost=cost,
    )


def comparison(*outcomes: Outcome, variants: tuple[str, ...] = ("x", "y")) -> Comparison:
    return Comparison(title="t", variants=variants, seeds=(0, 1, 2), outcomes=outcomes)


def test_spreads_are_sample_standard_deviations() -> None:
    spread = Spread.of([0.6, 0.7, 0.8])
    assert spread.mean == pytest.approx(0.7)
    assert spread.std == pytest.approx(0.1)
    assert spread.text(percent) == "70.0 ± 10.0"
    assert Spread.of([0.6, 0.8]).std == pytest.approx(math.sqrt(0.02))


def test_what_is_not_known_is_a_dash() -> None:
    assert Spread.of([0.7]).text(percent) == "70.0 ± –"
    assert Spread.of([None, 0.7]).text(percent) == "70.0 ± –"
    assert Spread.of([None]).text(percent) == Spread.of([]).text(percent) == "–"


def test_the_page_has_a_row_per_variant_in_the_order_of_the_file() -> None:
    text = page(comparison(outcome("y", 1, 0.8), outcome("x", 0, 0.5), outcome("y", 0, 0.6)))
    assert "2 variants, seeds 0, 1, 2 (search and root): 3 of 6 runs finished." in text
    assert "| x | 1 | 50.0 ± – | 50.0 ± – | 1.00 M ± – | 2.00 M ± – | 10.0 M ± – |" in text
    assert "| y | 2 | 70.0 ± 14.1 |" in text
    assert "| y | 60.0 ± 14.1 | 80.0 ± 14.1 |" in text
    assert "| x | 1 | 8 ± – | 1 ± – | 640 ± – | 10.0 G ± – | 1 min 01 s ± – | – |" in text
    assert text.index("| x |") < text.index("| y |")
    assert text.endswith("## Conditions\n\n- somewhere\n")


def test_a_page_without_runs_says_so() -> None:
    text = page(comparison())
    assert "0 of 6 runs finished" in text
    assert "| x | 0 | – | – |" in text
    assert png(draw_comparison(comparison())).startswith(b"\x89PNG")


def test_labels_cannot_break_a_table() -> None:
    assert "| s\\|t | 1 |" in page(comparison(outcome("s|t", 0, 0.5), variants=("s|t",)))


def test_numbers_for_programs_are_not_rounded() -> None:
    data = as_json(comparison(outcome("x", 0, 1 / 3), outcome("x", 1, 2 / 3)))
    variants = data["variants"]
    assert isinstance(variants, list)
    assert [v["name"] for v in variants] == ["x", "y"]
    assert variants[0]["test_accuracy"] == {
        "mean": pytest.approx(0.5, abs=1e-15),
        "std": pytest.approx(math.sqrt(1 / 18)),
    }
    assert {m.name for m in (*MEASURES, *COSTS)} < variants[0].keys()
    lines = as_csv([outcome("x, y", 3, 1 / 3)]).splitlines()
    assert lines[1] == f'"x, y",3,a,{1 / 3 - 0.1},{1 / 3},2000000.0,1000000.0,10000000'
    assert as_csv([outcome("x", 3, None)]).splitlines()[1] == "x,3,a,,,2000000.0,1000000.0,10000000"


def test_variants_are_told_apart_by_colour_and_marker() -> None:
    pairs = {(COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]) for i in range(35)}
    assert len(pairs) == 35


@pytest.mark.parametrize("num", [1, 7, 16])
def test_numbers_in_the_picture_do_not_overlap(num: int) -> None:
    names = tuple(f"variant {i} (${i}$)" for i in range(num))
    runs = [outcome(n, s, 0.7 + 0.004 * i + 0.001 * s, 1e6) for i, n in enumerate(names) for s in (0, 1)]
    figure = draw_comparison(comparison(*runs, variants=names))
    assert png(figure).startswith(b"\x89PNG")
    for axes in figure.axes:
        numbers = [text for text in axes.texts if isinstance(text, Annotation)]
        assert len(numbers) == (num if num > 1 else 0)
        boxes = [text.get_window_extent() for text in numbers]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [label.split()[0] for label in labels] == [str(i + 1) for i in range(num)]


def test_sizes_far_apart_are_drawn_on_a_logarithmic_axis() -> None:
    near = draw_comparison(comparison(outcome("x", 0, 0.5, 1e6), outcome("y", 0, 0.6, 2e6)))
    far = draw_comparison(comparison(outcome("x", 0, 0.5, 1e4), outcome("y", 0, 0.6, 2e6)))
    assert [figure.axes[0].get_xscale() for figure in (near, far)] == ["linear", "log"]
