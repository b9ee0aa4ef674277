"""Learning curves along ancestries: what is put in a row, where it is cut, and how it is drawn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.lineage import curves
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.charts.curves import CurvesChart, draw_curves
from taskgrove.reports.drawing.figures import svg
from tests.unit.handmade_runs import finished, model, run_of

ROOT = model(None)


def lineage(variant: str = "", seed: int | None = None, task: str = "a") -> Run:
    """root → a → b → a → a, of which only the last two are still there."""
    first = model(task, ROOT, quality=0.3)
    other = model("b", first, quality=0.4)
    back = model(task, other, quality=0.5)
    final = model(task, back, quality=0.7)
    children = [
        finished(first, accuracies=(0.1, 0.3, 0.2), best_cycle=2),
        finished(other, accuracies=(0.4,), best_cycle=1),
        finished(back, accuracies=(0.5, 0.4), best_cycle=1),
        finished(final, accuracies=(0.6, 0.7), best_cycle=2),
    ]
    return run_of(ROOT, children, [final, other], variant=variant, seed=seed, tests={final.id: 0.65})


def test_pieces_of_the_same_task_stand_in_a_row_each_cut_at_its_best_cycle() -> None:
    a, b = curves([lineage()])
    assert a.pieces == ((0.1, 0.3), (0.5,), (0.6, 0.7))
    assert a.accuracies == (0.1, 0.3, 0.5, 0.6, 0.7)
    assert (a.task, a.val, a.test) == ("a", 0.7, 0.65)
    assert (b.task, b.pieces, b.test) == ("b", ((0.4,),), None)


def test_a_model_whose_training_is_not_in_the_log_has_no_curve() -> None:
    (unknown,) = curves([run_of(ROOT, (), [model("a", ROOT, quality=0.9)])])
    assert (unknown.pieces, unknown.accuracies, unknown.val) == ((), (), 0.9)
    assert len(draw_curves([unknown]).axes[0].lines) == 3


def test_each_task_has_a_panel_with_its_line_and_marks() -> None:
    figure = CurvesChart().draw([lineage()])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    line, takes_over, val, test = figure.axes[0].lines
    assert [float(y) for y in np.asarray(line.get_ydata())] == pytest.approx([10, 30, 50, 60, 70])
    assert [float(x) for x in np.asarray(line.get_xdata())] == [1, 2, 3, 4, 5]
    assert [float(x) for x in np.asarray(takes_over.get_xdata())] == [2, 3]
    assert [float(np.asarray(mark.get_ydata())[0]) for mark in (val, test)] == pytest.approx([70, 65])
    assert (val.get_marker(), test.get_marker()) == ("+", "o")
    assert len(figure.axes[1].lines) == 3  # not tested
    assert len(figure.legends) == 1


def test_a_variants_seeds_have_one_colour_and_variants_have_several() -> None:
    runs = [lineage("v", 0), lineage("v", 1), lineage("w", 0)]
    figure = CurvesChart().draw(runs)
    colors = [line.get_color() for line in figure.axes[0].lines if len(np.asarray(line.get_xdata())) == 5]
    assert colors[0] == colors[1] != colors[2]
    assert [text.get_text() for text in figure.legends[-1].get_texts()] == ["v", "w"]


def test_tasks_of_all_runs_have_panels() -> None:
    assert len(CurvesChart().draw([lineage("v", 0), lineage("w", 0, "c")]).axes) == 3


@pytest.mark.parametrize("count", [1, 2, 12, 13, 124])
def test_panels_do_not_overlap_and_stay_inside_the_picture(count: int) -> None:
    found = curves([run_of(ROOT, (), [model(f"t{i}", ROOT) for i in range(count)])])
    figure = draw_curves(found)
    places = [axes.get_position() for axes in figure.axes]
    assert len(places) == count
    for place in places:
        assert min(place.x0, place.y0) > 0
        assert max(place.x1, place.y1) < 1
    corners = [(round(place.x0, 4), round(place.y0, 4)) for place in places]
    assert len(set(corners)) == count
    wide, high = figure.get_size_inches()
    columns, rows = sorted({x for x, _ in corners}), sorted({y for _, y in corners})
    assert all((b - a - places[0].width) * wide > 0.3 for a, b in pairwise(columns))
    assert all((b - a - places[0].height) * high > 0.4 for a, b in pairwise(rows))


def test_long_names_keep_both_ends() -> None:
    name = "controlled_noisy_web_labels/mini_imagenet_red_with_more_words"
    figure = CurvesChart().draw([run_of(ROOT, (), [model(name, ROOT), model("b", ROOT)])])
    title = figure.axes[0].get_title(loc="left")
    assert title.startswith("controlled_")
    assert title.endswith("_words")
    assert "…" in title


def test_the_table_has_a_row_for_each_cycle() -> None:
    table = CurvesChart().tabulate([lineage("v", 2)])
    assert table.headings[:4] == ("variant", "seed", "task", "cycle")
    assert table.rows[:3] == (
        ("v", 2, "a", 1, 1, 0.1, 0.65),
        ("v", 2, "a", 2, 1, 0.3, 0.65),
        ("v", 2, "a", 3, 2, 0.5, 0.65),
    )
    assert len(table.rows) == 6


def test_without_models_the_picture_says_so() -> None:
    assert "No task has a model yet." in svg(CurvesChart().draw([Run(view=SystemView())])).decode()
