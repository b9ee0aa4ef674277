"""What bind-and-grow chose and what it was worth, read from the log, told and drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from io import StringIO
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from rich.console import Console

from taskgrove.agents.conflicts import distribution, least_first, nucleus, task_conflict
from taskgrove.agents.methods.bind_grow import BindGrow, BindGrowOptions
from taskgrove.domain.ids import SlotName, TaskName
from taskgrove.domain.records import Commit, EndIteration, FinishProbe
from taskgrove.domain.view import SystemView
from taskgrove.experiment.lookup import describe
from taskgrove.reports.analyses.bindings import Binding, Fate, Kept, Layer, bindings, newest
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.worth import Change, worths
from taskgrove.reports.charts.conflicts import draw_layer_conflicts, draw_task_conflicts
from taskgrove.reports.drawing.figures import svg
from taskgrove.reports.pages.choice import Choice
from taskgrove.reports.pages.report import write_report
from taskgrove.reports.words.binding_table import of_models
from taskgrove.reports.words.explain import chain_text, explain, made_by, signed
from taskgrove.reports.words.provenance import TaskDescription
from taskgrove.store.backends.memory import MemoryBackend
from taskgrove.store.index.index import Index
from taskgrove.store.store import Store
from taskgrove.testing.layouts import TINY, tiny_equipment, tiny_store
from taskgrove.testing.runs import grow, run_of
from taskgrove.testing.systems import synthetic_system
from tests.unit.bound_tasks import Life, many_tasks, three_tasks

A, B, C = (TaskName(name) for name in "abc")
LOW, MID = SlotName("low"), SlotName("mid")


def by_hand() -> dict[TaskName, Binding]:
    return newest(bindings(three_tasks().commits))


@cache
def system(num_tasks: int, iterations: int = 1) -> Store:
    """What the agent itself leaves in the log, with conflicts and accuracies of a fake trainer."""
    names = [TaskName(f"task_{number:02d}") for number in range(num_tasks)]
    store = tiny_store(MemoryBackend(), names)
    agent = BindGrow(equipment=tiny_equipment(), options=BindGrowOptions(delta=0.4))
    grow(store, run_of(iterations, names, agent=agent))
    return store


def printed(task: str, commits: list[Commit], **usual: float) -> str:
    told = explain(TaskName(task), commits, usual)
    assert told is not None
    console = Console(width=160, record=True, file=StringIO())
    console.print(told.as_rich())
    return console.export_text()


def test_candidates_come_with_the_norm_of_their_layers_conflicts_least_first() -> None:
    found = by_hand()
    assert found[A].candidates == {}
    assert found[B].candidates == pytest.approx({A: 0.5})
    assert [*found[C].candidates] == [B, A]
    assert found[C].candidates == pytest.approx({A: 1.0, B: 0.1**0.5})
    assert (found[C].measure, found[C].num_samples) == ("rsa", 64)


def test_each_layer_has_its_conflict_its_share_and_what_became_of_it() -> None:
    found = by_hand()
    assert found[A].layers == ()
    low, mid = found[B].layers
    assert low == Layer(slot=LOW, conflict=0.3, share=low.share, fate=Fate.TUNED)
    assert mid == Layer(slot=MID, conflict=0.4, share=mid.share, fate=Fate.GROWN)
    assert (low.share, mid.share) == pytest.approx((3 / 7, 4 / 7))
    assert [layer.fate for layer in found[C].layers] == [Fate.FROZEN, Fate.GROWN]


def test_bindings_are_followed_to_their_end() -> None:
    assert {task: one.chain for task, one in by_hand().items()} == {A: (A,), B: (B, A), C: (C, B, A)}
    assert chain_text([TaskName(str(n)) for n in range(10)]).endswith("6 → 7 → 2 more")


def test_a_net_that_failed_leaves_its_task_alone_and_later_tasks_are_bound_to_no_more() -> None:
    life = three_tasks()
    life.begin("d")
    best = life.alone("d", 0.6)
    life.probe("d", "c", 0.2, 0.2, 0.2)
    life.grown("d", None, "bind:c", "clone:mid")
    life.end("d", best)
    life.begin("e")
    life.end("e", life.grown("e", 0.5, "bind:d"))
    life.begin("f")
    life.alone("f", None)
    life.end("f", None)
    found = newest(bindings(life.commits))
    d, e, f = (found[TaskName(name)] for name in "def")
    assert (d.bound, d.grown, d.kept) == (C, None, Kept.INDEPENDENT)
    assert [(layer.slot, layer.fate) for layer in d.layers] == [(LOW, Fate.FROZEN), (MID, Fate.GROWN)]
    assert (e.chain, e.independent, e.kept) == (("e", "d"), None, Kept.GROWN)
    assert [(layer.conflict, layer.share) for layer in e.layers] == [(None, None)] * 2
    assert (f.bound, f.independent, f.kept) == (None, None, Kept.NOTHING)


def test_an_iteration_that_has_not_ended_is_not_told_and_one_begun_again_starts_afresh() -> None:
    life = Life({})
    life.begin("a")
    life.alone("a", 0.5)
    life.probe("a", "b", 1.0, 1.0, 1.0)
    assert bindings(life.commits) == ()
    life.begin("a")
    life.end("a", life.alone("a", 0.6))
    (told,) = bindings(life.commits)
    assert (told.candidates, told.independent, told.kept) == ({}, 0.6, Kept.INDEPENDENT)


def test_a_model_from_before_that_is_kept_is_explained_by_the_step_that_made_it() -> None:
    life = three_tasks()
    before = newest(bindings(life.commits))[B]
    life.begin("b")
    life.alone("b", 0.5)
    life.grown("b", 0.5, "bind:c")
    life.end("b", None)
    found = [one for one in bindings(life.commits) if one.task == B]
    assert (len(found), found[1].kept, made_by(found)) == (2, Kept.NOTHING, before)


def test_options_are_those_of_the_tasks_group_then_the_experiments_then_the_usual() -> None:
    group = {"tasks": ["b"], "agent": {"options": {"delta": 0.9}}}
    spec = {"agent": {"options": {"delta": 0.6}}, "groups": [group, {"tasks": ["c"], "agent": None}]}
    found = newest(bindings(three_tasks(spec).commits, {"delta": 0.5, "samples": 7}))
    deltas = {task: one.options["delta"] for task, one in found.items()}
    assert deltas == {A: 0.6, B: 0.9, C: 0.6}
    assert found[A].options["samples"] == 7


def test_gain_changes_and_forgetting_by_hand() -> None:
    a, b, c = worths(three_tasks().commits)
    assert (a.independent, a.first, a.now) == (0.8, 0.8, 0.82)
    assert a.gain == pytest.approx(0.1)
    assert a.changes == (Change(by=B, iteration=0, before=0.8, after=0.82),)
    assert a.forgotten == pytest.approx(0.01)
    assert b.gain == pytest.approx(0.2)
    assert (b.forgotten, b.changes) == (0.0, ())
    assert c.gain == pytest.approx(-0.5)


def test_what_is_not_known_is_not_reckoned() -> None:
    life = Life({})
    life.begin("a")
    life.end("a", life.alone("a", 1.0))
    life.begin("b")
    life.end("b", None)
    a, b = worths(life.commits)
    assert (a.gain, a.forgotten) == (None, None)
    assert (b.independent, b.now, b.gain) == (None, None, None)
    assert (signed(None), signed(-0.0004), signed(0.1234)) == ("–", "+0.0", "+12.3")


def test_systems_of_other_methods_have_no_bindings() -> None:
    _, history, _ = synthetic_system(2, 1)
    assert bindings(history) == ()
    assert worths(history) == ()
    assert explain(TaskName("task_000"), history, {}) is None


def test_what_is_told_is_what_the_agent_did() -> None:
    store = system(5, 2)
    commits = list(store.history())
    probes = [c.operation for c in commits if isinstance(c.operation, FinishProbe)]
    told = bindings(commits)
    assert len(told) == 10
    for one in told:
        own = [p for p in probes if (p.task, p.iteration) == (one.task, one.iteration)]
        body = {p.other: {s: v for s, v in p.conflicts.items() if s != "head"} for p in own}
        assert one.candidates == pytest.approx({task: task_conflict(found) for task, found in body.items()})
        assert tuple(one.candidates) == least_first(body)
        if one.bound is not None:
            assert one.bound == least_first(body)[0]
            assert set(one.fated(Fate.GROWN)) == set(nucleus(body[one.bound], 0.4))
            assert [layer.slot for layer in one.layers] == [s for s in TINY.root_slots() if s != "head"]
            assert {x.slot: x.share for x in one.layers} == pytest.approx(distribution(body[one.bound]))
            assert one.fated(Fate.FROZEN) == ()
    qualities = {task: store.view().models[best].quality for task, best in store.view().bests.items()}
    assert {each.task: each.now for each in worths(commits)} == qualities


def test_a_random_choice_is_told_as_such() -> None:
    names = [A, B, C]
    store = tiny_store(MemoryBackend(), names)
    options = BindGrowOptions(bind="random", grow="random", shared_lr_scale=0.0)
    grow(store, run_of(1, names, agent=BindGrow(equipment=tiny_equipment(), options=options)))
    usual = {"bind": "random", "grow": "random"}
    told = explain(C, store.history(), usual)
    assert told is not None
    (one,) = told.bindings
    assert (one.candidates, one.measure) == ({}, None)
    assert {layer.fate for layer in one.layers} <= {Fate.GROWN, Fate.FROZEN}
    console = Console(width=160, record=True, file=StringIO())
    console.print(told.as_rich())
    text = console.export_text()
    assert f"{one.bound}, drawn at random, without a comparison" in text
    assert "gain" not in text


def test_an_explanation_for_people() -> None:
    text = printed("c", three_tasks().commits)
    assert "b, conflict 0.316 (others: a 1.000); rsa on 64 validation images" in text
    assert "c → b → a" in text
    assert "mid; 75.0 % of the conflict, δ = 0.6" in text
    assert "independent net 90.0 %, grown net 85.0 %; kept the grown net" in text
    assert "−50.0 % of the independent net's validation error (the paper's Δ: +50.0 %)" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["low", "0.100", "25.0", "shared,", "frozen"] in lines
    assert ["mid", "0.300", "75.0", "grown:", "a", "copy", "of", "its", "own"] in lines
    of_b = printed("b", three_tasks().commits, shared_lr_scale=0.1)
    assert "a, conflict 0.500 (the only candidate)" in of_b
    assert "shared, trained at 0.1 of the learning rate" in of_b
    of_a = printed("a", three_tasks().commits)
    assert "nobody: there was no other task" in of_a
    assert "validation 80.0 → 82.0 %; changed by b +2.0" in of_a
    assert "+1.0 points: test 78.0 → 77.0 %" in of_a


def test_show_explains_tasks_of_bind_and_grow_for_programs_too() -> None:
    store = system(3)
    ended = next(c.number for c in store.history() if isinstance(c.operation, EndIteration))
    with Index(store, None) as index:
        index.update()
        told = describe("task_02", store, store.state, index)
        assert isinstance(told, TaskDescription)
        before = describe("task_00", store, store.state_at(ended), index)
    found = json.loads(json.dumps(told.as_json()))["explanation"]
    (step,) = found["bindings"]
    assert step["bound"] in ("task_00", "task_01")
    assert step["options"]["shared_lr_scale"] == 0.1
    assert found["worth"]["task"] == "task_02"
    text = StringIO()
    Console(file=text, width=160).print(told.as_rich())
    assert "what became of it" in text.getvalue()
    ended_with = [line for line in text.getvalue().splitlines() if " bind_grow " in line]
    assert len(ended_with) == 1 < len(told.iterations)  # published, and then the iteration ended
    then = json.loads(json.dumps(before.as_json()))["explanation"]
    assert (then["worth"]["task"], then["worth"]["changes"], len(then["bindings"])) == ("task_00", [], 1)


def test_a_report_has_bindings_where_there_are_any(tmp_path: Path) -> None:
    store = system(3)
    view, history = store.view(), list(store.history())
    usual = {"delta": 0.5}
    run = Run(view=view, history=history, evaluations=store.state.evaluations, usual=usual)
    choice = Choice.of(formats=("md", "png", "svg", "csv", "json"))
    written = write_report(tmp_path, run, "x", choice)
    names = {f"{name}.{kind}" for name in ("conflicts", "layers") for kind in ("png", "svg", "csv")}
    assert names | {"bindings.json"} <= {path.name for path in written}
    page = written[0].read_text()
    assert "## Conflicts by layer" in page
    assert "Mean gain: " in page
    told = json.loads((tmp_path / "tables" / "bindings.json").read_text())
    assert [one["task"] for one in told["bindings"]] == [one["task"] for one in told["tasks"]]
    assert told["gain"] == pytest.approx(-told["paper_delta"] / 3)
    for one in told["bindings"]:
        assert f"| {one['task']} | {one['bound'] or '–'} |" in page
    empty = write_report(tmp_path / "none", Run(view=SystemView()), "x", choice)
    assert names.isdisjoint(path.name for path in empty)


def frames(figure: Figure) -> int:
    return sum(isinstance(p, Rectangle) and not p.get_fill() for p in figure.axes[0].patches)


@pytest.mark.parametrize("num_tasks", [3, 24])
def test_pictures_frame_what_was_chosen_and_no_labels_meet(num_tasks: int) -> None:
    found = of_models(bindings(many_tasks(num_tasks).commits))
    for draw in (draw_task_conflicts, draw_layer_conflicts):
        figure = draw(found, found)
        assert frames(figure) == num_tasks - 1
        texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
        assert len(texts) > num_tasks
        boxes = [text.get_window_extent() for text in texts]
        assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
        edge = figure.bbox
        assert all(edge.x0 <= b.x0 and b.x1 <= edge.x1 and edge.y0 <= b.y0 and b.y1 <= edge.y1 for b in boxes)
    assert svg(draw_task_conflicts(found, found)) == svg(draw_task_conflicts(found, found))


def test_pictures_of_tasks_that_nobody_was_bound_to_say_so() -> None:
    alone = {task: replace(one, bound=None, layers=()) for task, one in by_hand().items() if task == A}
    figure = draw_layer_conflicts(alone, [A])
    assert "No task has been bound" in figure.texts[0].get_text()
    assert frames(draw_task_conflicts(alone, [A])) == 0
