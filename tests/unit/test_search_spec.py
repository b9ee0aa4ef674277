"""What is searched: settings, axes, points as experiments, Optuna's proposals, the front and the picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from taskgrove.domain.errors import BadValueError, UnknownNameError
from taskgrove.experiment.decode import read_experiment
from taskgrove.experiment.search.sequences import Axis, axes_of, delta_of, experiment_at, grid_of
from taskgrove.experiment.search.spec import SAMPLERS, SearchSpec, check_search, read_search
from taskgrove.experiment.search.study import STUDY, Proposals
from taskgrove.experiment.spec import AgentSpec, ExperimentSpec, GroupSpec
from taskgrove.reports.analyses.searched import Searched, TaskGain, TrialResult
from taskgrove.reports.drawing.figures import png
from taskgrove.reports.pages.search import as_csv, page
from taskgrove.reports.pages.search_picture import Dot, draw_search
from tests.unit.small_searches import template, written

NAMES = ("d0", "d1", "d2")


def gain_of(quality: float, independent: float, num_samples: int = 100) -> TaskGain:
    return TaskGain(
        task="d1",
        delta=0.5,
        bound="d0",
        grown=("dense_1",),
        quality=quality,
        independent=independent,
        num_samples=num_samples,
    )


def trial_of(number: int, gain: float, params: int, *, feasible: bool = True) -> TrialResult:
    return TrialResult(
        number=number,
        point={"delta": number / 10},
        tasks=(replace(gain_of(0.9, 0.8), delta=number / 10),),
        gain=gain,
        paper_delta=-gain,
        params=params,
        feasible=feasible,
        seconds=61.0,
        computed=3,
        remembered=2,
    )


def searched_of(*trials: TrialResult) -> Searched:
    return Searched(title="Search: x", about="nsga2", trials=trials, wanted=9)


def test_gain_is_the_part_of_the_independent_nets_error_that_is_gone() -> None:
    assert gain_of(quality=0.9, independent=0.8).gain == pytest.approx(0.5)
    assert gain_of(quality=0.6, independent=0.8).gain == pytest.approx(-1.0)


def test_an_independent_net_without_errors_is_taken_to_have_half_of_one() -> None:
    assert gain_of(quality=1.0, independent=1.0).gain == 0.0
    assert gain_of(quality=0.99, independent=1.0).gain == pytest.approx(-2.0)


def test_the_front_has_what_nothing_surpasses_once() -> None:
    trials = (
        trial_of(0, 0.1, 100),
        trial_of(1, 0.3, 300),
        trial_of(2, 0.2, 300),
        trial_of(3, 0.1, 100),
        trial_of(4, 0.2, 200),
        trial_of(5, 0.1, 400),
        trial_of(6, 0.9, 900, feasible=False),
    )
    assert [trial.number for trial in searched_of(*trials).front] == [0, 4, 1]


def test_tables_say_what_is_too_large_and_what_is_not_known() -> None:
    searched = searched_of(trial_of(6, 0.9, 900, feasible=False), trial_of(1, 0.3, 300))
    assert "| 6 (too large) | 90.0 | -0.900 | 900 | 0.60 | d1 → d0 +1 | 1 min 01 s | 3 | 2 |" in page(
        searched
    )
    alone = replace(gain_of(0.5, 0.5), delta=None, bound=None, grown=())
    text = as_csv((replace(trial_of(0, 0.0, 1), point={}, tasks=(alone,)),))
    assert text.splitlines()[1] == "0,0.0,-0.0,1,True,61.0,3,2,d1,,,,0.5,0.5,100"


def test_the_picture_names_the_trials_on_the_front() -> None:
    dots = [
        Dot(
            label=str(n),
            params=100 * n,
            gain=10.0 * n,
            delta=n / 4 if n else None,
            front=n > 2,
            feasible=n != 1,
        )
        for n in range(5)
    ]
    figure = draw_search("x", dots)
    assert [text.get_text() for text in figure.axes[0].texts] == ["3", "4"]
    assert png(figure).startswith(b"\x89PNG")
    assert png(draw_search("x", [])).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"sampler": "best"}, UnknownNameError),
        ({"delta": "some"}, UnknownNameError),
        ({"bind": "none"}, UnknownNameError),
        ({"order": "reverse"}, UnknownNameError),
        ({"step": 0.3}, BadValueError),
        ({"step": 0.0}, BadValueError),
        ({"max_params": -1}, BadValueError),
        ({"population": 1}, BadValueError),
        ({"sampler": "grid", "delta": "per task"}, BadValueError),
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(values: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        SearchSpec(**values)


def test_populations_suit_small_and_large_searches() -> None:
    assert [SearchSpec().settled_population(trials) for trials in (3, 20, 400)] == [4, 10, 50]
    assert SearchSpec(population=7).settled_population(20) == 7


def changed(spec: ExperimentSpec, **options: Any) -> ExperimentSpec:
    agent = AgentSpec(method="bind_grow", iterations=1, options=options)
    return replace(spec, agent=agent)


def test_experiments_that_are_no_grow_sequences_are_refused(tmp_path: Path) -> None:
    spec, search = template(tmp_path)
    check_search(spec, search)
    other = GroupSpec(tasks=("d1",), agent=AgentSpec(method="munet"))
    wrong = {
        "iterations": replace(spec, agent=replace(spec.agent, iterations=2)),
        "schedule": replace(spec, schedule="rounds"),
        "incremental": changed(spec, setting="streaming"),
        "least": changed(spec, bind="random"),
        "nucleus": changed(spec, grow="random"),
        r"agent\.delta": changed(spec, delta=0.5),
        r"groups\[0\]\.agent\.method": replace(spec, groups=(other,)),
    }
    for said, experiment in wrong.items():
        with pytest.raises(BadValueError, match=said):
            check_search(experiment, search)
    ranked = changed(spec, rank=1)
    check_search(ranked, search)
    with pytest.raises(BadValueError, match=r"agent\.rank"):
        check_search(ranked, replace(search, bind="rank"))


def test_a_search_is_not_run_as_an_experiment(tmp_path: Path) -> None:
    with pytest.raises(BadValueError, match="taskgrove search"):
        read_experiment(written(tmp_path))


def test_mistakes_in_the_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="setting in search"):
        template(tmp_path, "[search]\nsamplers = 1\n")
    with pytest.raises(BadValueError, match=r"search\.step"):
        template(tmp_path, "[search]\nstep = 0.3\n")
    with pytest.raises(BadValueError, match="segments"):
        read_search(written(tmp_path, '[[segments]]\nname = "a"\n'))
    spec, search = template(tmp_path, "")
    assert search == SearchSpec()
    assert spec.name == "seq"


def test_only_what_can_make_a_difference_is_searched() -> None:
    assert axes_of(SearchSpec(), NAMES, 0) == (Axis(name="delta", step=0.05),)
    per_task = SearchSpec(delta="per task", bind="rank")
    names = [axis.name for axis in axes_of(per_task, NAMES, 0)]
    assert names == ["delta:d1", "delta:d2", "rank:d2"]
    with_models = {axis.name: axis.high for axis in axes_of(per_task, NAMES, 2) if axis.whole}
    assert with_models == {"rank:d0": 1, "rank:d1": 2, "rank:d2": 3}
    ordered = [axis.name for axis in axes_of(replace(per_task, order="searched"), ("a", "b"), 0)]
    assert ordered == ["delta:a", "order:a", "delta:b", "order:b"]


def test_a_point_is_an_experiment_with_a_group_per_task(tmp_path: Path) -> None:
    spec, _ = template(tmp_path)
    group = GroupSpec(tasks=("d1", "d2"), agent=AgentSpec(method="bind_grow", options={"samples": 9}))
    point = {"delta:d1": 0.15, "rank:d1": 1, "order:d0": 0.9, "order:d1": 0.5, "order:d2": 0.1}
    made = experiment_at(replace(spec, groups=(group,), executor="processes", workers=2), point, 7)
    assert (made.name, made.executor, made.workers) == ("seq.0007", "inline", 0)
    assert [task.name for task in made.tasks] == ["d2", "d1", "d0"]
    assert made.of_task("d0").agent.options == {"samples": 16}
    assert made.of_task("d1").agent.options == {"samples": 9, "delta": 0.15, "rank": 1}
    assert made.of_task("d2").agent.options == {"samples": 9}
    assert experiment_at(spec, {"delta": 0.5}, 0).of_task("d2").agent.options == {"samples": 16, "delta": 0.5}
    assert delta_of({}, "d0") is None


def test_any_beginning_of_the_grid_spans_it() -> None:
    points = [point["delta"] for point in grid_of(SearchSpec(sampler="grid", step=0.125))]
    assert points[:5] == [0.0, 1.0, 0.5, 0.25, 0.75]
    assert sorted(points) == [n / 8 for n in range(9)]


def points_of(folder: Path, search: SearchSpec, *, again: bool) -> list[dict[str, float]]:
    """What is proposed for an easy problem; with `again` the study is opened anew all the time."""
    axes = axes_of(search, NAMES, 0)
    folder.mkdir(exist_ok=True)
    proposals = Proposals(folder, "x", search, axes)
    for number in range(9):
        if again:
            proposals = Proposals(folder, "x", search, axes)
        asked, point = proposals.ask()
        assert asked == number
        if again:
            with (folder / STUDY).open("ab") as file:
                file.write(b'{"op_code": 4, "torn')
            (folder / f"{STUDY}.lock").symlink_to(STUDY)
            proposals = Proposals(folder, "x", search, axes)
        gain = 1 - sum((value - 0.5) ** 2 for value in point.values())
        proposals.tell(number, gain, round(1000 * sum(point.values())))
        proposals.tell(number, 0.0, 0)
    assert proposals.told() == frozenset(range(9))
    return [dict(point) for point in proposals.trials().values()]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_proposals_do_not_depend_on_interruptions(sampler: str, tmp_path: Path) -> None:
    search = SearchSpec(sampler=sampler, step=0.125, population=4, max_params=1500)
    if sampler != "grid":
        search = replace(search, delta="per task", bind="rank", order="searched")
    whole = points_of(tmp_path / "whole", search, again=False)
    assert points_of(tmp_path / "again", search, again=True) == whole
    assert all(0 <= value <= 1 for point in whole for value in point.values())
    if sampler not in ("grid", "random"):
        by_chance = points_of(tmp_path / "chance", replace(search, sampler="random"), again=False)
        assert whole[6:] != by_chance[6:], "it has learned nothing"


def test_with_one_parameter_nsga2_learns_from_earlier_trials(tmp_path: Path) -> None:
    """As Optuna has it by default it would be random search; the best here is near 0.6, for any size."""
    found = {}
    for sampler in ("nsga2", "random"):
        folder = tmp_path / sampler
        folder.mkdir()
        search = SearchSpec(sampler=sampler, population=6)
        proposals = Proposals(folder, "x", search, [Axis(name="delta", step=0.05)])
        for _ in range(40):
            number, point = proposals.ask()
            proposals.tell(number, -abs(point["delta"] - 0.6), 100)
        found[sampler] = [point["delta"] for _, point in sorted(proposals.trials().items())]
    assert found["nsga2"][:6] == found["random"][:6]
    late = {name: sum(abs(delta - 0.6) for delta in deltas[20:]) / 20 for name, deltas in found.items()}
    assert late["nsga2"] < 0.6 * late["random"]
