"""What a person sees during a search: trials ended, how far the running ones are, when it will end."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from taskgrove.reports.quantities import duration, human, percent

if TYPE_CHECKING:  # it carries out trials, so it loads torch
    from taskgrove.experiment.search.board import News
    from taskgrove.experiment.search.trial import Step


class SearchDisplay:
    """One bar for all trials and one for each that is running; on no terminal, one line per trial.

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
        self._all = self._progress.add_task("[bold]trials[/]", total=None, text="")
        self._bars: dict[int, TaskID] = {}
        self._began = time.monotonic()
        self._before: int | None = None

    def __enter__(self) -> SearchDisplay:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def observe(self, news: News) -> None:
        """Show what has happened to a trial."""
        if news.stage == "begun":
            self._begin(news)
        elif news.step is not None:
            self._go_on(news.step)
        elif news.result is not None:
            self._end(news)
        self._progress.update(self._all, completed=news.ended, total=news.wanted, text=self._eta(news))

    def _begin(self, news: News) -> None:
        if self._before is None:  # what earlier calls have done says nothing about the time it takes
            self._before, self._began = news.ended, time.monotonic()
        self._bars[news.number] = self._progress.add_task(f"  trial {news.number}", total=None, text="")

    def _go_on(self, step: Step) -> None:
        bar = self._bars.get(step.number)
        if bar is not None:  # what processes tell comes late sometimes
            self._progress.update(bar, completed=step.done, total=step.total, text=escape(step.text))

    def _end(self, news: News) -> None:
        assert news.result is not None
        self._progress.remove_task(self._bars.pop(news.number))
        if self._quiet:
            return
        result = news.result
        line = (
            f"[green]finished[/]: trial {news.number}, gain {percent(result.gain)} %, {human(result.params)} "
            f"parameters, {result.remembered} of {result.computed + result.remembered} jobs remembered "
            f"({news.ended}/{news.wanted}{self._eta(news)})"
        )
        self._progress.console.print(line, highlight=False, markup=True, soft_wrap=True)

    def _eta(self, news: News) -> str:
        if self._before is None or news.ended <= self._before or news.ended >= news.wanted:
            return ""
        each = (time.monotonic() - self._began) / (news.ended - self._before)
        return f" · ETA {duration(each * (news.wanted - news.ended))}"
