"""The report folder: its files, its page and its curves."""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from taskgrove.domain.errors import BadValueError, EnvironmentFailure, StorageFullError
from taskgrove.domain.ids import TaskName
from taskgrove.domain.records import (
    AddMetrics,
    AddRoot,
    AddTask,
    BeginIteration,
    Commit,
    FinishChild,
    StartExperiment,
)
from taskgrove.domain.view import SystemView
from taskgrove.reports.analyses.history import Status, budget, by_task, children, measured, spent_by
from taskgrove.reports.analyses.knowledge import knowledge_flow
from taskgrove.reports.analyses.run import Run
from taskgrove.reports.analyses.tasks import per_task
from taskgrove.reports.base import Scope
from taskgrove.reports.charts.cost import draw_size
from taskgrove.reports.charts.progress import MAX_LINES, draw_progress
from taskgrove.reports.drawing.figures import svg
from taskgrove.reports.pages.choice import Choice
from taskgrove.reports.pages.report import write_report
from taskgrove.reports.quantities import duration, human, percent
from taskgrove.reports.words import log
from taskgrove.store.spent import Spent
from taskgrove.store.state import State, apply
from taskgrove.testing.systems import synthetic_system

CHOICE = Choice.of(formats=("html", "md", "svg", "png", "csv", "json"))


def failures_only(history: Sequence[Commit]) -> list[Commit]:
    kept = (AddRoot, AddTask, StartExperiment, BeginIteration, FinishChild)
    return [
        c
        for c in history
        if isinstance(c.operation, kept)
        and (not isinstance(c.operation, FinishChild) or c.operation.failure is not None)
    ]


def synthetic_run(num_tasks: int, num_blocks: int) -> Run:
    view, history, evaluations = synthetic_system(num_tasks, num_blocks)
    return Run(view=view, history=history, evaluations=evaluations)


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.usefixtures("no_pictures")
def test_a_report_has_all_its_files_and_its_page_shows_them(tmp_path: Path) -> None:
    view, folder = synthetic_system(4, 1)[0], tmp_path / "new" / "r"
    told: list[tuple[str, int, int]] = []
    run = synthetic_run(4, 1)
    written = write_report(folder, run, "Four tasks", CHOICE, lambda *news: told.append(news))
    drawn = [chart.name for chart in CHOICE.charts((run,), Scope.SYSTEM) if "svg" in chart.formats]
    pages = {"index.html", "report.md", "tables/tasks.json", "tables/tasks.csv"}
    pictures = {f"pictures/{name}.{kind}" for name in drawn for kind in ("png", "svg")}
    numbers = {f"tables/{chart.name}.csv" for chart in CHOICE.charts((run,), Scope.SYSTEM)}
    assert {str(path.relative_to(folder)) for path in written} == pages | pictures | numbers
    assert set(written) == {path for path in folder.rglob("*") if path.is_file()}
    assert told == [("charts", done, len(numbers)) for done in range(len(numbers))]
    assert {"graph", "cost", "metrics", "progress"} <= set(drawn)
    page = written[1].read_text()
    assert page.startswith("# Four tasks\n\n## Tasks\n\n4 tasks, 4 with a model. Parameters: ")
    assert all(f"(pictures/{name}.png)" in page for name in drawn)
    assert all(f"| {task} |" in page for task in view.tasks)
    assert "Experiment `synthetic`: 4 tasks, 2 iterations each, seed 0" in page
    rows = read_csv(folder / "tables" / "tasks.csv")
    loaded = json.loads((folder / "tables" / "tasks.json").read_text())
    assert [row["task"] for row in rows] == [row["task"] for row in loaded["tasks"]] == list(view.tasks)


def test_the_same_system_gives_the_same_bytes_and_other_files_stay(tmp_path: Path) -> None:
    run, unpainted = synthetic_run(2, 1), Choice.of(formats=("html", "md", "csv", "json"))
    (tmp_path / "mine.txt").write_text("mine")
    first = {p: p.read_bytes() for p in write_report(tmp_path, run, "x", unpainted)}
    again = {p: p.read_bytes() for p in write_report(tmp_path, run, "x", unpainted)}
    assert first == again
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.usefixtures("no_pictures")
def test_reports_of_empty_and_partial_systems(tmp_path: Path) -> None:
    view, history, _ = synthetic_system(3, 1)
    without = replace(view, bests={}, models={r: view.models[r] for r in view.roots}, iterations={})
    num_failed = sum(isinstance(commit.operation, FinishChild) for commit in failures_only(history))
    assert num_failed > 0
    cases: list[tuple[SystemView, Sequence[Commit], str]] = [
        (SystemView(), (), "No task has been added yet."),
        (without, history[:4], "No child has been trained yet."),
        (without, failures_only(history), f"| `synthetic` | {num_failed} | {num_failed} | 0 | 0 | "),
        (view, (), "3 tasks, 3 with a model."),
    ]
    for i, (shown, commits, expected) in enumerate(cases):
        written = write_report(tmp_path / str(i), Run(view=shown, history=commits), "Partial")
        assert expected in written[1].read_text()
        assert "test – %" in written[1].read_text()


@pytest.mark.usefixtures("no_pictures")
def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "below"):
        with pytest.raises(BadValueError, match=r"is a folder, but .*file is a file"):
            write_report(path, Run(view=SystemView()), "x")


@pytest.mark.usefixtures("no_pictures")
def test_a_full_disk_leaves_the_old_report_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {p: p.read_bytes() for p in write_report(tmp_path, Run(view=SystemView()), "old")}
    write_bytes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if "tasks.csv" in path.name:
            write_bytes(path, data[:3])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageFullError, match="No space left"):
        write_report(tmp_path, synthetic_run(1, 1), "new")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == old


@pytest.mark.usefixtures("no_pictures")
def test_a_read_only_folder_is_an_environment_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, data: bytes) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(EnvironmentFailure, match="may write to"):
        write_report(tmp_path, Run(view=SystemView()), "x")


def test_children_are_counted_by_how_they_ended() -> None:
    _, history, _ = synthetic_system(6, 2, iterations=3)
    found = children(history)
    assert [child.order for child in found] == list(range(1, 6 * 3 * 4 + 1))
    assert {child.status for child in found} == set(Status)
    tasks = by_task(found)
    assert all(summary.trained == 12 for summary in tasks.values())
    for task, summary in tasks.items():
        own = [c for c in found if c.task == task and c.status is Status.ACCEPTED]
        assert summary.best_score == max(c.score for c in own if c.score is not None)
        assert summary.counts[Status.ACCEPTED] == len(own)
        assert sum(summary.mutations.values()) == sum(len(c.mutations) for c in own)


def test_what_the_history_says_was_spent_is_what_the_state_says() -> None:
    _, history, _ = synthetic_system(4, 1, experiments=2)
    state = State()
    for commit in history:
        state = apply(state, commit)
    assert spent_by(history) == state.spent
    assert [*state.spent] == ["synthetic", "synthetic-2"]


def test_a_budget_is_told_in_one_line() -> None:
    meters = {"train_s": 725.0, "device_s": 7_500.0}
    spent = Spent(children=64, failed=2, samples=1_200_000, flops=3 * 10**15, meters=meters)
    assert budget(spent) == (
        "64 children (2 failed), 1.20 M images, 3.00 PFLOP, 12 min 05 s of training, 2 h 05 min of the device"
    )
    assert budget(Spent(children=1)).startswith("1 child, 0 images, ")


@pytest.mark.usefixtures("no_pictures")
def test_the_page_shows_what_each_experiment_used_and_who_trained_the_models(tmp_path: Path) -> None:
    view, history, evaluations = synthetic_system(3, 1, experiments=2)
    run = Run(view=view, history=history, evaluations=evaluations)
    page = write_report(tmp_path, run, "x")[1].read_text()
    for name, spent in spent_by(history).items():
        time = f"{duration(spent.train_s)} | {duration(spent.device_s)}"
        used = f"{human(spent.samples)} | {human(spent.flops)}"
        assert f"| `{name}` | {spent.children} | {spent.failed} | {used} | {time} |" in page
    for task, sources in knowledge_flow(view).items():
        assert f"| {task} | {percent(sources[task])} | " in page


@pytest.mark.usefixtures("no_pictures")
def test_tables_of_metrics_hold_unrounded_numbers(tmp_path: Path) -> None:
    run = synthetic_run(3, 1)
    write_report(tmp_path, run, "x")
    lines = read_csv(tmp_path / "tables" / "metrics.csv")
    for step, found in enumerate(measured(run.history), 1):
        own = [line for line in lines if line["step"] == str(step)]
        assert {(line["experiment"], line["task"]) for line in own} == {(found.experiment, found.task)}
        assert {line["metric"]: float(line["value"]) for line in own}.items() >= found.values.items()


def test_progress_has_a_line_per_task_or_bands_when_there_are_many() -> None:
    for num_tasks in (3, MAX_LINES + 1):
        view, history, _ = synthetic_system(num_tasks, 1)
        figure = draw_progress(history, "Progress", view.tasks)
        labels = {text.get_text() for text in figure.legends[0].get_texts()}
        marks = {"accepted", "rejected", "failed"}
        lines = {*view.tasks, *marks} if num_tasks == 3 else {"all tasks", "80 % of tasks"}
        assert labels == {*lines, "mean over tasks with a model"}
        assert svg(figure) == svg(draw_progress(history, "Progress", view.tasks))


@pytest.mark.parametrize(
    ("seconds", "unit"), [(90, "seconds"), (120, "minutes"), (7200, "hours"), (172_800, "days")]
)
def test_wall_time_has_a_unit_that_fits(seconds: float, unit: str) -> None:
    _, history, _ = synthetic_system(1, 1)
    ends = [commit.time for commit in history if isinstance(commit.operation, FinishChild)]
    scale = seconds / (ends[-1] - ends[0])
    stretched = [replace(commit, time=commit.time * scale) for commit in history]
    label = draw_progress(stretched).axes[-1].get_xlabel()
    assert label == f"{unit} since the first child"


def test_the_best_so_far_never_falls() -> None:
    _, history, _ = synthetic_system(1, 1, iterations=4)
    axes = draw_progress(history).axes[0]
    rises = np.diff(np.asarray(axes.lines[0].get_ydata(), dtype=float))
    assert (rises >= 0).all()
    assert (rises > 0).any()


def test_hollow_points_are_rejected_children_and_crosses_failed_ones() -> None:
    _, history, _ = synthetic_system(4, 1, iterations=3)
    found = children(history)
    accepted, rejected, failed = draw_progress(history).axes[0].collections
    for points, status in ((accepted, Status.ACCEPTED), (rejected, Status.REJECTED), (failed, Status.FAILED)):
        assert len(np.asarray(points.get_offsets())) == sum(c.status is status for c in found)
    assert len(np.asarray(accepted.get_facecolor())) > 0
    assert len(np.asarray(rejected.get_facecolor())) == 0


def test_sizes_show_a_point_per_task_with_a_model() -> None:
    view, _, evaluations = synthetic_system(3, 1)
    partial = replace(view, bests={t: m for t, m in view.bests.items() if t != TaskName("task_001")})
    figure = draw_size(per_task(partial, evaluations))
    assert len(figure.axes[0].collections) == 2


def test_the_log_tells_every_commit_in_words() -> None:
    _, history, _ = synthetic_system(3, 1)
    shown = log.lines(history)
    assert [line.number for line in shown] == list(range(len(history)))
    assert shown[0].time == "2023-11-14 22:13:20"
    assert "task task_000 added: 2 classes, 800 training images" in [line.text for line in shown]
    for commit, line in zip(history, shown, strict=True):
        if isinstance(commit.operation, FinishChild):
            assert line.status is not None
            assert f"child {commit.operation.iteration}.1.{commit.operation.child} of " in line.text
            assert f": {line.status}, " in line.text
    failed = [line.text for line in shown if line.status is Status.FAILED]
    assert failed
    assert all("diverged: The loss is NaN." in text for text in failed)


def test_the_log_tells_metrics_with_their_units() -> None:
    values = {
        "tasks": 8.0,
        "mean_test_accuracy": 0.9123,
        "params_per_task": 1_204_000.0,
        "mean_flops": 14_800_000.0,
        "children": 64.0,
        "samples": 1_200_000.0,
        "train_flops": 3.4e12,
    }
    found = AddMetrics(experiment="e", task=TaskName("a"), iteration=1, values=values)
    assert log.describe(found) == (
        "after iteration 1 of a: 8 tasks with a model, test 91.2 %, 1.20 M parameters per task, 14.8 MFLOP "
        "per image; e has used 64 children, 1.20 M images, 3.40 TFLOP"
    )
    assert "0 tasks with a model, test – %, – parameters" in log.describe(replace(found, values={}))


def test_the_log_prints_names_with_brackets_as_they_are_and_serialises() -> None:
    _, history, _ = synthetic_system(1, 1)
    shown = [replace(line, text=f"{line.text} [red]") for line in log.lines(history)]
    console = Console(width=100, record=True, file=StringIO())
    console.print(log.as_rich(shown))
    assert "[red]" in console.export_text()
    assert json.loads(json.dumps(log.as_json(shown)))[0]["status"] is None


def test_synthetic_systems_are_consistent_and_repeatable() -> None:
    view, history, evaluations = synthetic_system(5, 4)
    assert (view, history, evaluations) == synthetic_system(5, 4)
    assert view != synthetic_system(5, 5)[0]
    assert [commit.number for commit in history] == list(range(view.number + 1))
    assert set(view.bests.values()) <= set(evaluations)
    assert all(id == model.id for id, model in view.models.items())
