"""What people and programs see while a system grows: a line per task, one bar, lines of JSON, an estimate."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

from rich.console import Console
from typer.testing import CliRunner

from taskgrove.cli.json_lines import JsonLines
from taskgrove.cli.main import app
from taskgrove.cli.pace import Pace
from taskgrove.cli.progress import GrowDisplay
from taskgrove.coordinator.base import Event, Stage
from taskgrove.domain.ids import TaskName
from taskgrove.trainer.base import Tick
from tests.unit.small_experiments import SMALL, written

A, B, C = (TaskName(name) for name in ("latin", "greek", "runes"))


def begun(task: TaskName, done: int = 0, total: int = 8, iteration: int = 0) -> Event:
    return Event(stage=Stage.BEGUN, task=task, iteration=iteration, done=done, total=total)


def child(task: TaskName, done: int, total: int = 8, *, recovered: bool = False) -> Event:
    return Event(
        stage=Stage.CHILD,
        task=task,
        iteration=0,
        child=1,
        done=done,
        total=total,
        best=0.5,
        score=0.25,
        quality=0.5,
        accepted=True,
        recovered=recovered,
    )


def ended(task: TaskName, done: int, total: int = 8) -> Event:
    return Event(stage=Stage.ENDED, task=task, iteration=0, done=done, total=total)


def cycle(task: TaskName) -> Tick:
    return Tick(task=task, iteration=0, generation=2, child=1, cycle=3, cycles=4, accuracy=0.5)


def screen(height: int = 40) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        width=90,
        height=height,
        color_system=None,
        legacy_windows=False,
    )


def shown_on(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def last_frame(console: Console) -> str:
    """What is on the screen when the display ends."""
    return re.split(r"\x1b\[2K", shown_on(console))[-1]


def test_several_tasks_have_a_line_each_above_one_bar() -> None:
    console = screen()
    with GrowDisplay(console) as display:
        for task in (A, B):
            display.observe(begun(task))
        display.watch(cycle(A))
        display.observe(child(A, 1))
    lines = [line.split() for line in last_frame(console).splitlines()]
    assert [A, "0", "2.1", "3/4", "50.0", "50.0", "0.250"] in lines
    assert [B, "0", "–", "–", "–", "–", "–"] in lines
    assert "all tasks" in last_frame(console)
    assert "1/8" in last_frame(console)


def test_a_task_that_ended_has_no_line() -> None:
    console = screen()
    with GrowDisplay(console) as display:
        for task in (A, B):
            display.observe(begun(task))
        display.observe(ended(A, 4))
    assert A not in last_frame(console)
    assert B in last_frame(console)


def test_one_task_at_a_time_has_no_lines_but_the_bar() -> None:
    console = screen()
    with GrowDisplay(console) as display:
        for task in (A, B):
            display.observe(begun(task))
            display.watch(cycle(task))
            display.observe(ended(task, 4))
    assert f"{B} iteration 0" in last_frame(console)
    assert "all tasks" not in shown_on(console)
    assert "iteration  child" not in shown_on(console)


def test_more_tasks_than_the_screen_holds_are_counted() -> None:
    console = screen(height=8)
    with GrowDisplay(console) as display:
        for task in (A, B, C):
            display.observe(begun(task))
    assert "and 1 more task" in last_frame(console)
    assert C not in last_frame(console)


def test_elsewhere_there_are_plain_lines() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=90)
    with GrowDisplay(console) as display:
        for task in (A, B):
            display.observe(begun(task))
        display.watch(cycle(A))
        display.observe(child(B, 1))
    assert len(shown_on(console).splitlines()) == 3
    assert "greek 0.0.1: 50.0 % accepted, best 50.0 % · child 1/8 · ETA" in shown_on(console)


def test_lines_of_json_say_everything_that_happens() -> None:
    stream = io.StringIO()
    with JsonLines(stream, lambda: 7.0) as display:
        display.read("decoding", 3, 9)
        display.observe(begun(A))
        display.watch(cycle(A))
        display.observe(child(A, 1))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["reading", "begun", "cycle", "child"]
    assert all(line["time"] == 7.0 for line in lines)
    assert (lines[2]["cycle"], lines[2]["accuracy"]) == (3, 0.5)
    assert (lines[3]["task"], lines[3]["quality"], lines[3]["done"], lines[3]["eta_s"]) == (A, 0.5, 1, 0.0)


def test_a_run_prints_only_lines_of_json_and_the_table_as_its_last(tmp_path: Path) -> None:
    command = ["run", str(written(tmp_path, SMALL)), "--store", str(tmp_path / "grove"), "--json-lines"]
    printed = CliRunner().invoke(app, command, catch_exceptions=False).stdout
    lines = [json.loads(line) for line in printed.splitlines()]
    events = [line["event"] for line in lines if line["event"] != "reading"]
    assert events == ["begun", "cycle", "child", "cycle", "child", "ended", "evaluated", "result"]
    assert [row["task"] for row in lines[-1]["tasks"]] == ["a"]


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_left_is_the_mean_per_child_times_the_children_left() -> None:
    clock = Hand()
    pace = Pace(clock)
    pace.hear(begun(A))
    assert pace.left_s(begun(A)) is None
    clock.now += 6
    for done in (1, 2, 3):
        pace.hear(child(A, done, recovered=done == 1))  # read from the log, so it took no time
    assert pace.left_s(child(A, 3)) == 3.0 * 5
    assert pace.left_s(child(A, 8)) == 0.0


def test_after_a_round_only_whole_rounds_count() -> None:
    clock = Hand()
    pace = Pace(clock)
    for task in (A, B):
        pace.hear(begun(task))
    for done in (1, 2):
        clock.now += 1
        pace.hear(child(A, done))
    clock.now += 8  # one task is slow, and at the barrier the other waits for it
    for done in (3, 4):
        pace.hear(child(B, done))
    for task in (A, B):
        pace.hear(ended(task, 4))
    assert pace.left_s(ended(B, 4)) == 10.0
    pace.hear(begun(A, 4, iteration=1))
    clock.now += 1
    event = child(A, 5)
    pace.hear(event)
    assert pace.left_s(event) == 9.0
