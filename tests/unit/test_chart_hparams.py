"""Distributions of hyperparameters: what is counted, in which order, and how it is drawn."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from taskgrove.domain.hparams import HparamValue
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import StartExperiment
from taskgrove.domain.view import SystemView
from taskgrove.experiment.searched import searched_values
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, GroupSpec, SpaceSpec, canonical
from taskgrove.reports.analyses.hparams import spectra
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.charts.hparams import HparamsChart
from taskgrove.reports.drawing.figures import svg
from tests.unit.handmade_runs import BLOCKS, model, run_of

ROOT = model(None)


def run(*hparams: dict[str, HparamValue], variant: str = "", seed: int | None = None) -> Run:
    """A run with a task for each set of hyperparameters."""
    models = [model(f"t{i}", ROOT, hparams=values) for i, values in enumerate(hparams)]
    return run_of(ROOT, (), models, variant=variant, seed=seed)


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]


def test_shares_are_over_the_models_of_all_seeds_of_a_variant() -> None:
    runs = [
        run({"opt.lr": 0.1}, {"opt.lr": 0.1}, variant="a", seed=0),
        run({"opt.lr": 0.5}, {"opt.lr": 0.1}, variant="a", seed=1),
        run({"opt.lr": 0.02}, variant="b", seed=0),
    ]
    rates = next(one for one in spectra(runs) if one.name == "opt.lr")
    assert rates.values == (0.02, 0.1, 0.5)
    assert rates.shares == {"a": (0.0, 0.75, 0.25), "b": (1.0, 0.0, 0.0)}


def test_values_stand_in_the_order_of_the_search_space_and_unused_ones_are_there() -> None:
    valid: dict[str, tuple[HparamValue, ...]] = {
        "opt.schedule": ("restarts", "constant", "cosine"),
        "opt.lr": (0.5, 0.1),
    }
    models = [model("t", ROOT, hparams={"opt.schedule": "cosine", "opt.lr": 0.01})]
    found = {one.name: one for one in spectra([run_of(ROOT, (), models, valid=valid)])}
    assert found["opt.schedule"].values == ("restarts", "constant", "cosine")
    assert found["opt.lr"].values == (0.01, 0.1, 0.5)
    assert found["opt.lr"].shares == {"": (1.0, 0.0, 0.0)}


def test_numbers_of_layers_reach_up_to_the_roots_and_skip_none() -> None:
    root = model(None, slots=("block_0", "block_1", "block_2", "block_3"))
    models = [model("a", root, slots=("block_0",)), model("b", root, slots=("block_0", "adapter_0"))]
    layers, adapters = spectra([run_of(root, (), models)])[:2]
    assert (layers.name, layers.values, layers.shares) == (
        "num_layers",
        (1, 2, 3, 4),
        {"": (1.0, 0.0, 0.0, 0.0)},
    )
    assert (adapters.name, adapters.values, adapters.shares) == ("num_adapters", (0, 1), {"": (0.5, 0.5)})


def test_only_models_with_adapters_have_a_dimension_of_adapters() -> None:
    hparams: dict[str, HparamValue] = {"arch.adapter_dim": 64}
    with_one = model("b", ROOT, slots=(*BLOCKS, "adapter_0"), hparams=hparams)
    without = model("a", ROOT, hparams=hparams)
    assert "arch.adapter_dim" not in [one.name for one in spectra([run_of(ROOT, (), [without])])]
    both = HparamsChart().tabulate([run_of(ROOT, (), [without, with_one])])
    assert [row for row in both.rows if row[3] == "arch.adapter_dim"] == [
        ("", None, "b", "arch.adapter_dim", 64)
    ]


def test_what_is_the_same_everywhere_is_named_instead_of_drawn() -> None:
    runs = [run({"opt.lr": 0.1, "data.flip": True}, {"opt.lr": 0.5, "data.flip": True})]
    figure = HparamsChart().draw(runs)
    assert titles(figure) == ["learning rate"]
    foot = figure.get_supxlabel().replace("\n", " ")
    assert "flip left and right = yes" in foot
    assert "number of layers = 2" in foot
    assert [bar.get_height() for bar in figure.axes[0].patches] == [0.5, 0.5]  # type: ignore[attr-defined]


def test_variants_have_bars_side_by_side_and_many_have_rows() -> None:
    few = [run({"opt.lr": 0.1}, {"opt.lr": 0.5}, variant=f"v{i}", seed=0) for i in range(2)]
    figure = HparamsChart().draw(few)
    assert len(figure.axes[0].patches) == 4
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["v0", "v1"]
    many = [run({"opt.lr": 0.1}, {"opt.lr": 0.5}, variant=f"v{i}", seed=0) for i in range(6)]
    axes = HparamsChart().draw(many).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"v{i}" for i in range(6)]
    assert axes.images[0].get_array().shape == (6, 2)  # type: ignore[union-attr]


def test_the_table_has_a_row_for_each_value_of_each_model() -> None:
    table = HparamsChart().tabulate([run({"opt.lr": 0.1}, variant="a", seed=3)])
    assert table.headings == ("variant", "seed", "task", "hyperparameter", "value")
    assert table.rows == (
        ("a", 3, "t0", "num_layers", 2),
        ("a", 3, "t0", "num_adapters", 0),
        ("a", 3, "t0", "opt.lr", 0.1),
    )


def test_without_models_or_without_differences_the_picture_says_so() -> None:
    assert "No task has a model yet." in svg(HparamsChart().draw([Run(view=SystemView())])).decode()
    assert not HparamsChart().applies([run({"opt.lr": 0.1})])
    assert HparamsChart().applies([run({"opt.lr": 0.1}, {"opt.lr": 0.2})])
    alike = svg(HparamsChart().draw([run({"opt.lr": 0.1})])).decode()
    assert "All models have the same hyperparameters." in alike


def started(spec: str) -> SystemView:
    start = StartExperiment(experiment="x", digest="", spec=spec, iterations=1, tasks=(TaskName("t"),))
    return SystemView(models={ROOT.id: ROOT}, roots=(ROOT.id,), experiments={"x": start})


def test_the_values_of_search_spaces_are_read_back_from_experiments_and_their_groups() -> None:
    group = GroupSpec(tasks=("t",), agent=AgentSpec(method="munet"), space=SpaceSpec(values={"mu": (0.3,)}))
    spec = ExperimentSpec(name="x", space=SpaceSpec(values={"opt.lr": (0.1, 0.2)}), groups=(group,))
    found = searched_values(started(canonical(spec)))
    assert found["opt.lr"][:2] == (0.1, 0.2)
    assert found["opt.lr"][2:] == (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.5)
    assert found["mu"][-1] == 0.3
    assert set(found["opt.schedule"]) == {"constant", "cosine", "restarts"}
    assert "arch.adapter_dim" in found


@pytest.mark.parametrize("method", ["gone", "mu2net_plus"])
def test_what_is_not_installed_here_has_no_known_values(method: str) -> None:
    spec = ExperimentSpec(name="x", agent=AgentSpec(method=method), space=SpaceSpec(base="mu2net"))
    assert bool(searched_values(started(canonical(spec)))) == (method != "gone")
    assert searched_values(started('{"seed": 0}')) == {}
