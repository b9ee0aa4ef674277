"""One bar for all of something and one for each that is running, with the time that is left."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from taskgrove.reports.quantities import duration


class Bars:
    """Bars on a terminal; elsewhere only the lines that are said.

    Args:
        console: Where to show them.
        what: They count, in the plural.
        quiet: Show nothing.
    """

    def __init__(self, console: Console, what: str, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._all = self._progress.add_task(f"[bold]{escape(what)}[/]", total=None, text="")
        self._running: dict[str, TaskID] = {}
        self._fractions: dict[str, float] = {}
        self._began = time.monotonic()
        self._before: float | None = None

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, name: str, ended: int) -> None:
        """One begins, when `ended` have."""
        if self._before is None:  # what earlier calls have done says nothing about the time it takes
            self._before, self._began = float(ended), time.monotonic()
        self._running[name] = self._progress.add_task(f"  {escape(name)}", total=None, text="")

    def go_on(self, name: str, *, done: int, total: int, fraction: float, text: str) -> None:
        """One is so far, by its own count and as a fraction of all its work."""
        if name not in self._running:  # what processes tell comes late sometimes
            return
        if name not in self._fractions and self._before is not None:
            self._before += fraction
        self._fractions[name] = fraction
        self._progress.update(self._running[name], completed=done, total=total, text=escape(text))

    def end(self, name: str) -> None:
        """One is over; one that earlier calls have ended never began here."""
        self._fractions.pop(name, None)
        if name in self._running:
            self._progress.remove_task(self._running.pop(name))

    def count(self, ended: int, wanted: int) -> None:
        """So many have ended."""
        self._progress.update(self._all, completed=ended, total=wanted, text=self.estimate(ended, wanted))

    def estimate(self, ended: int, wanted: int) -> str:
        """` · ETA 2 h 05 min`, or nothing where it is not known yet or all is done."""
        now = ended + sum(self._fractions.values())
        if self._before is None or now <= self._before or now >= wanted:
            return ""
        each = (time.monotonic() - self._began) / (now - self._before)
        return f" · ETA {duration(each * (wanted - now))}"

    def say(self, line: str) -> None:
        """A line above the bars, in Rich's markup."""
        if not self._quiet:
            self._progress.console.print(line, highlight=False, markup=True, soft_wrap=True)
