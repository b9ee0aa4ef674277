"""Mutation probabilities by action: which count, with which value, and how they are drawn."""

from __future__ import annotations

from matplotlib.figure import Figure

from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.mu import probabilities
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.charts.mu import MuChart
from taskgrove.reports.drawing.figures import svg
from tests.unit.handmade_runs import finished, model, run_of

ROOT = model(None)
DRAWN = {"clone:block_0": 0.2, "hp:opt.lr": 0.2, "insert:adapter_0": 0.2, "norm": 1.0}


def learner(variant: str = "", seed: int | None = None) -> Run:
    """Two models; the second has moved two entries, one of them of a layer that it does not have."""
    first = model("a", ROOT)
    second = model(
        "b", first, mu={"clone:block_0": 0.22, "clone:block_7": 0.3}, slots=("block_0", "adapter_0")
    )
    children = [finished(first, DRAWN), finished(second)]
    return run_of(ROOT, children, [first, second], variant=variant, seed=seed)


def values(run: Run) -> dict[tuple[str, str], float]:
    return {(one.task, one.action): one.value for one in probabilities([run])}


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def test_entries_that_never_moved_count_with_the_initial_value() -> None:
    found = values(learner())
    assert found["a", "clone:block_0"] == 0.2
    assert found["b", "clone:block_0"] == 0.22
    assert found["a", "hp:opt.lr"] == found["b", "hp:opt.lr"] == 0.2


def test_only_actions_that_are_possible_for_the_model_and_drawn_by_chance_count() -> None:
    found = values(learner())
    assert ("a", "insert:adapter_0") in found
    assert ("b", "insert:adapter_0") not in found  # is there already
    assert ("b", "clone:block_7") not in found  # has been removed
    assert ("a", "norm") not in found  # happens always
    assert ("a", "clone:embedding") not in found  # no child has shown it


def test_clones_are_grouped_by_kind_of_layer_and_moved_ones_are_marked() -> None:
    found = {(str(one.task), one.action): one for one in probabilities([learner()])}
    assert found["b", "clone:block_0"].group == "clone:block"
    assert found["a", "insert:adapter_0"].group == "insert:adapter"
    assert found["a", "hp:opt.lr"].group == "hp:opt.lr"
    assert [key for key, one in found.items() if one.moved] == [("b", "clone:block_0")]


def test_a_method_that_learns_no_table_has_the_scalar_of_each_model() -> None:
    first = model("a", ROOT, agent="munet", hparams={"mu": 0.1})
    second = model("b", ROOT, agent="munet", hparams={"mu": 0.14})
    children = [finished(first, {"hp:opt.lr": 0.1, "clone:block_0": 1.0}), finished(second, {})]
    assert values(run_of(ROOT, children, [first, second])) == {
        ("a", "hp:opt.lr"): 0.1,
        ("b", "hp:opt.lr"): 0.14,
    }


def test_a_table_that_is_only_inherited_does_not_count() -> None:
    teacher = model("a", ROOT, mu={"clone:block_0": 0.3})
    heir = model("b", teacher, agent="munet", hparams={"mu": 0.1}, mu=teacher.mu)
    forgetful = model("c", teacher, agent="bind_grow")
    children = [
        finished(teacher, {"clone:block_0": 0.3}),
        finished(heir, {"clone:block_0": 0.1}),
        finished(forgetful, {"clone:block_0": 1.0}),
    ]
    found = values(run_of(ROOT, children, [teacher, heir, forgetful]))
    assert found == {("a", "clone:block_0"): 0.3, ("b", "clone:block_0"): 0.1}


def test_a_method_with_probabilities_of_its_own_has_no_mu() -> None:
    drawn = model("a", ROOT, agent="random_search")
    assert probabilities([run_of(ROOT, [finished(drawn, {"clone:block_0": 0.5})], [drawn])]) == []


def test_each_kind_of_action_has_a_histogram_clones_first() -> None:
    figure = MuChart().draw([learner()])
    assert titles(figure) == ["clone: block", "insert: adapter", "change: learning rate"]
    blocks = figure.axes[0]
    heights = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in blocks.patches}  # type: ignore[attr-defined]
    assert {at: height for at, height in heights.items() if height} == {9: 0.5, 10: 0.5}  # 0.2 and 0.22
    assert "moved from their initial value: 20%" in figure.get_supxlabel()


def test_variants_without_a_mu_are_left_out() -> None:
    fixed = run_of(ROOT, [finished(m := model("a", ROOT, agent="fine_tune"))], [m], variant="f", seed=0)
    runs = [fixed, learner("g", 0), learner("g", 1), learner("h", 0)]
    figure = MuChart().draw(runs)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["g", "h"]
    assert not MuChart().applies([fixed])
    assert MuChart().applies(runs)


def test_the_table_has_a_row_for_each_action_of_each_model() -> None:
    table = MuChart().tabulate([learner("g", 1)])
    assert table.headings[:2] == ("variant", "seed")
    assert table.rows[0] == ("g", 1, "a", "clone:block_0", "clone:block", 0.2, 0)
    assert len(table.rows) == len(probabilities([learner()])) == 5


def test_without_models_the_picture_says_so() -> None:
    text = svg(MuChart().draw([Run(view=SystemView())])).decode()
    assert "No model's method draws mutations with a probability µ." in text
