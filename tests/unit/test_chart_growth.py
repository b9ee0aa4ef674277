"""The animation of a growing system: which moments, that nodes stay, and what the file is like."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from io import BytesIO

from PIL import Image

from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import EndIteration, Retire
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.growth import moments, spread
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.charts.growth import GrowthChart, draw_growth
from taskgrove.reports.drawing.colors import task_colors
from taskgrove.reports.drawing.graph import multitask_graph, multitask_graphs
from taskgrove.reports.drawing.raster import canvas_of, draw_frame, palette_of
from taskgrove.store.state import State, apply
from taskgrove.testing.big import SMALL, grow_big


@cache
def small() -> Run:
    """Eight tasks in two segments."""
    return grow_big(SMALL)


def changes(run: Run) -> list[tuple[int, str]]:
    """Commits that replaced a published model, with its task."""
    found, bests = list[tuple[int, str]](), dict[str, str]()
    for commit in run.history:
        end = commit.operation
        if isinstance(end, EndIteration) and end.best is not None and bests.get(end.task) != end.best:
            bests[end.task] = end.best
            found.append((commit.number, end.task))
    return found


def test_every_change_of_a_published_model_is_a_moment() -> None:
    run = small()
    found = moments(run.history, run.view)
    assert [(each.view.number, *each.changed) for each in found] == changes(run)
    assert found[-1].view.bests == run.view.bests
    last = found[-1].view
    assert found[-1].mean_quality == sum(last.models[best].quality for best in last.bests.values()) / 8


def test_fewer_moments_are_spread_and_tell_all_changes_since_the_one_before() -> None:
    run = small()
    every = moments(run.history, run.view)
    found = spread(every, 5)
    assert len(found) == 5
    assert (found[0], found[-1].view.number) == (every[0], every[-1].view.number)
    assert {task for each in found for task in each.changed} == set(run.view.bests)


def test_without_history_there_is_the_present_alone() -> None:
    run = small()
    (moment,) = spread(moments((), run.view), 5)
    assert (moment.view, moment.changed) == (run.view, tuple(run.view.bests))
    assert spread(moments((), SystemView()), 5) == ()


def test_nodes_stay_where_they_are_while_the_system_grows() -> None:
    run = small()
    graphs = multitask_graphs([each.view for each in moments(run.history, run.view)])
    assert len({graph.width for graph in graphs}) == len({graph.row_names for graph in graphs}) == 1
    places: dict[str, set[tuple[float, int]]] = {}
    for node in (node for graph in graphs for node in graph.nodes):
        places.setdefault(node.key, set()).add((node.x, node.row))
    assert all(len(each) == 1 for each in places.values())
    shown, alone = ({node.component for node in g.nodes} for g in (graphs[-1], multitask_graph(run.view)))
    assert shown == alone


def test_a_retired_task_leaves_the_picture() -> None:
    run = small()
    gone = next(iter(run.view.tasks))
    state = State()
    for commit in run.history:
        state = apply(state, commit)
    number = run.history[-1].number + 1
    commit = replace(run.history[-1], number=number, operation=Retire(task=gone))
    found = moments((*run.history, commit), apply(state, commit).view)
    assert (found[-1].view.number, found[-1].changed) == (number, ())
    graphs = multitask_graphs([each.view for each in found[-2:]])
    assert [f"task|{gone}" in {node.key for node in graph.nodes} for graph in graphs] == [True, False]


def test_the_file_has_a_frame_per_change_is_small_and_always_the_same() -> None:
    run = small()
    data = draw_growth(run)
    assert data == draw_growth(run)
    assert len(data) < 5_000_000
    with Image.open(BytesIO(data)) as image:
        frames: int = image.n_frames  # type: ignore[attr-defined]
        shown = []
        for number in range(frames):
            image.seek(number)
            shown.append(image.info["duration"])
    assert frames == len(changes(run))
    assert shown[-1] == 4_000
    assert len(set(shown[:-1])) == 1


def test_lines_of_tasks_that_changed_are_full_and_those_of_others_faint() -> None:
    run = small()
    graph = multitask_graph(run.view)
    canvas, colors = canvas_of([graph]), task_colors(run.view.tasks)
    task = next(iter(run.view.tasks))
    palette = palette_of([*colors.values()])

    def full(*active: TaskName) -> int:
        image = draw_frame(graph, canvas, "", active, palette).convert("RGB")
        ink = tuple(int(colors[task][i : i + 2], 16) for i in (1, 3, 5))
        return sum(number for number, color in image.getcolors(2**20) or () if color == ink)

    assert full(task) > 1.3 * full()


def test_a_system_without_models_is_one_frame() -> None:
    empty = Run(view=SystemView())
    with Image.open(BytesIO(draw_growth(empty))) as image:
        assert image.n_frames == 1  # type: ignore[attr-defined]
    assert GrowthChart().tabulate([empty]).rows == ()


def test_the_table_has_a_row_per_change() -> None:
    run = small()
    table = GrowthChart().tabulate([run])
    assert table.headings == ("commit", "tasks", "mean_validation_accuracy", "changed")
    assert [(row[0], row[3]) for row in table.rows] == changes(run)
    assert table.rows[-1][1] == 8
