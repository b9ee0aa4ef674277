"""What a person sees during a search: trials ended, how far the running ones are, when it will end."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console

from taskgrove.cli.bars import Bars
from taskgrove.reports.quantities import human, percent

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
        self._bars = Bars(console, "trials", quiet=quiet)

    def __enter__(self) -> SearchDisplay:
        self._bars.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.__exit__(kind, value, trace)

    def observe(self, news: News) -> None:
        """Show what has happened to a trial."""
        if news.stage == "begun":
            self._bars.begin(_name(news.number), news.ended)
        elif news.step is not None:
            self._go_on(news.step)
        elif news.result is not None:
            self._end(news)
        self._bars.count(news.ended, news.wanted)

    def _go_on(self, step: Step) -> None:
        fraction = step.done / step.total if step.total else 0.0
        name = _name(step.number)
        self._bars.go_on(name, done=step.done, total=step.total, fraction=fraction, text=step.text)

    def _end(self, news: News) -> None:
        assert news.result is not None
        self._bars.end(_name(news.number))
        result = news.result
        self._bars.say(
            f"[green]finished[/]: trial {news.number}, gain {percent(result.gain)} %, {human(result.params)} "
            f"parameters, {result.remembered} of {result.computed + result.remembered} jobs remembered "
            f"({news.ended}/{news.wanted}{self._bars.estimate(news.ended, news.wanted)})"
        )


def _name(number: int) -> str:
    return f"trial {number}"
