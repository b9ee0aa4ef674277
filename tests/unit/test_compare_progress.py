"""What a person sees of a comparison: on a terminal bars, elsewhere a line per run."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from taskgrove.cli.compare_progress import CompareDisplay
from taskgrove.experiment.comparison.board import News, Stage
from taskgrove.experiment.comparison.trials import Failure, Step

STEP = Step(segment=2, segments=2, done=3, total=8, text="greek iteration 0 · best 71.2 %")
FAILURE = Failure(kind="task_data", exit_code=2, text="gone [b].npz")
NEWS = (
    News(stage=Stage.BEGUN, run="x [a], seed 0", ended=1, wanted=3),
    News(stage=Stage.STEP, run="x [a], seed 0", ended=1, wanted=3, step=STEP),
    News(stage=Stage.FAILED, run="x [a], seed 0", ended=2, wanted=3, failure=FAILURE),
)


def shown(*, terminal: bool, quiet: bool = False, news: tuple[News, ...] = NEWS) -> str:
    """All that is printed."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    with CompareDisplay(console, quiet=quiet) as display:
        for item in news:
            display.observe(item)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_elsewhere_there_is_a_line_when_a_run_begins_and_ends() -> None:
    begun, failed = shown(terminal=False).splitlines()
    assert begun == "begun: x [a], seed 0"
    assert re.fullmatch(r"failed: x \[a\], seed 0 \(2/3 · ETA \d+ s\): gone \[b\]\.npz", failed)


def test_on_a_terminal_the_running_run_says_where_it_is() -> None:
    text = shown(terminal=True, news=NEWS[:2])
    assert "3/8" in text
    assert "segment 2/2 · greek iteration 0 · best 71.2 %" in text
    assert "1/3" in text


def test_quiet_shows_nothing() -> None:
    assert shown(terminal=False, quiet=True) == shown(terminal=True, quiet=True) == ""


def test_the_end_is_estimated_from_what_this_call_has_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(float(second) for second in range(0, 1000, 30))
    monkeypatch.setattr("taskgrove.cli.bars.time.monotonic", lambda: next(clock))
    first = Step(segment=1, segments=1, done=0, total=8, text="")
    half = Step(segment=1, segments=1, done=4, total=8, text="")
    console = Console(file=io.StringIO(), force_terminal=False)
    with CompareDisplay(console) as display:
        texts = []
        for item in (
            News(stage=Stage.BEGUN, run="x", ended=1, wanted=3),
            News(stage=Stage.STEP, run="x", ended=1, wanted=3, step=first),
            News(stage=Stage.STEP, run="x", ended=1, wanted=3, step=half),
        ):
            display.observe(item)
            texts.append(str(display.estimate))
    assert texts == ["", "", " · ETA 1 min 30 s"]


def test_a_step_is_a_fraction_of_the_whole_run() -> None:
    assert STEP.fraction == pytest.approx((1 + 3 / 8) / 2)
    assert Step(segment=1, segments=1, done=0, total=0, text="").fraction == 0
