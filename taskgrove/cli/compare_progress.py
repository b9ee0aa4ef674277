"""What a person sees during a comparison: runs ended, how far the running ones are, when it will end."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from taskgrove.reports.quantities import duration, percent

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
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self.estimate = ""
        self._all = self._progress.add_task("[bold]runs[/]", total=None, text="")
        self._bars: dict[str, TaskID] = {}
        self._fractions: dict[str, float] = {}
        self._began = time.monotonic()
        self._before: float | None = None

    def __enter__(self) -> CompareDisplay:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def observe(self, news: News) -> None:
        """Show what has happened to a run."""
        if news.stage == "begun":
            self._begin(news)
        elif news.step is not None:
            self._go_on(news.run, news.step)
        else:
            self._end(news)
        self.estimate = self._eta(news)
        self._progress.update(self._all, completed=news.ended, total=news.wanted, text=self.estimate)

    def _begin(self, news: News) -> None:
        if self._before is None:  # what earlier calls have done says nothing about the time it takes
            self._before, self._began = float(news.ended), time.monotonic()
        self._bars[news.run] = self._progress.add_task(f"  {escape(news.run)}", total=None, text="")
        self._print(f"[dim]begun: {escape(news.run)}[/]")

    def _go_on(self, run: str, step: Step) -> None:
        if run not in self._fractions and self._before is not None:
            self._before += step.fraction
        self._fractions[run] = step.fraction
        segment = f"segment {step.segment}/{step.segments} · " if step.segments > 1 else ""
        text = escape(f"{segment}{step.text}")
        self._progress.update(self._bars[run], completed=step.done, total=step.total, text=text)

    def _end(self, news: News) -> None:
        self._fractions.pop(news.run, None)
        if news.run in self._bars:
            self._progress.remove_task(self._bars.pop(news.run))
        where = f"({news.ended}/{news.wanted}{self._eta(news)})"
        if news.failure is not None:
            self._print(f"[red]failed[/]: {escape(news.run)} {where}: {escape(news.failure.text)}")
        elif news.outcome is not None:
            test = percent(news.outcome.test_accuracy)
            self._print(f"[green]finished[/]: {escape(news.run)}, test {test} % {where}")

    def _eta(self, news: News) -> str:
        now = news.ended + sum(self._fractions.values())
        if self._before is None or now <= self._before or now >= news.wanted:
            return ""
        each = (time.monotonic() - self._began) / (now - self._before)
        return f" · ETA {duration(each * (news.wanted - now))}"

    def _print(self, line: str) -> None:
        if not self._quiet:
            self._progress.console.print(line, highlight=False, markup=True, soft_wrap=True)
