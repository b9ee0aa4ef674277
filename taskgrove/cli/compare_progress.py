"""What a person sees during a comparison: runs ended, how far the running ones are, when it will end."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from taskgrove.cli.bars import Bars
from taskgrove.reports.quantities import percent

if TYPE_CHECKING:  # it carries out runs, so it loads torch
    from taskgrove.experiment.comparison.board import News
    from taskgrove.experiment.comparison.trials import Step


class CompareDisplay:
    """One bar for all runs and one for each that is running; on no terminal, one line per run.

    Args:
        console: Where to show it.
        quiet: Show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._bars = Bars(console, "runs", quiet=quiet)
        self.estimate = ""

    def __enter__(self) -> CompareDisplay:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, value, trace)

    def observe(self, news: News) -> None:
        """Show what has happened to a run."""
        if news.stage == "begun":
            self._bars.begin(news.run, news.ended)
            self._bars.say(f"[dim]begun: {escape(news.run)}[/]")
        elif news.step is not None:
            self._go_on(news.run, news.step)
        else:
            self._end(news)
        self.estimate = self._bars.estimate(news.ended, news.wanted)
        self._bars.count(news.ended, news.wanted)

    def _go_on(self, run: str, step: Step) -> None:
        segment = f"segment {step.segment}/{step.segments} · " if step.segments > 1 else ""
        text = f"{segment}{step.text}"
        self._bars.go_on(run, done=step.done, total=step.total, fraction=step.fraction, text=text)

    def _end(self, news: News) -> None:
        self._bars.end(news.run)
        where = f"({news.ended}/{news.wanted}{self._bars.estimate(news.ended, news.wanted)})"
        if news.failure is not None:
            self._bars.say(f"[red]failed[/]: {escape(news.run)} {where}: {escape(news.failure.text)}")
        elif news.outcome is not None:
            test = percent(news.outcome.test_accuracy)
            self._bars.say(f"[green]finished[/]: {escape(news.run)}, test {test} % {where}")
