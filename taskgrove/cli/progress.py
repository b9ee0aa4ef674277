"""What a person sees while a system grows: where it stands, the best so far, and when it will end."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from taskgrove.coordinator.base import Event, Stage
from taskgrove.reports.quantities import duration, percent
from taskgrove.trainer.base import Tick


class GrowDisplay:
    """A live bar on a terminal, one line per child elsewhere.

    Args:
        console: Where to show it.
        quiet: Show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = console.is_terminal and not quiet
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[eta]}"),
            console=console,
            disable=not self._live,
        )
        self._bar = self._progress.add_task("reading tasks", total=None, eta="")
        self._began: float | None = None
        self._trained = 0
        self._best: dict[str, str] = {}

    def __enter__(self) -> GrowDisplay:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def observe(self, event: Event) -> None:
        """Show what the coordinator has just done."""
        if self._began is None:
            self._began = time.monotonic()
        if event.stage is Stage.CHILD and not event.recovered:
            self._trained += 1
        line = self._line(event)
        if line and not self._quiet:
            self._progress.console.print(line, highlight=False, markup=True)
        if event.best is not None:
            score = "" if event.score is None else f", score {event.score:.3f}"
            self._best[event.task] = f" · best {percent(event.best)} %{score}"
        self._progress.update(
            self._bar,
            description=f"{event.task} iteration {event.iteration}{self._best.get(event.task, '')}",
            total=event.total,
            completed=event.done,
            eta=self._eta(event),
        )

    def watch(self, tick: Tick) -> None:
        """Show a finished train cycle."""
        child = f"{tick.task} {tick.iteration}.{tick.generation}.{tick.child}"
        cycle = f" cycle {tick.cycle}/{tick.cycles}: {percent(tick.accuracy)} %"
        self._progress.update(self._bar, description=f"{child}{cycle}{self._best.get(tick.task, '')}")

    def read(self, what: str, done: int, total: int) -> None:
        """Show how far the reading of a task's files has come."""
        self._progress.update(self._bar, description=what, completed=done, total=total, eta="")
        left = next(task.time_remaining for task in self._progress.tasks if task.id == self._bar)
        if left:
            self._progress.update(self._bar, eta=f"ETA {duration(left)}")

    def _eta(self, event: Event) -> str:
        if not self._trained or self._began is None:
            return "ETA …"
        each = (time.monotonic() - self._began) / self._trained
        return f"ETA {duration(each * (event.total - event.done))}"

    def _line(self, event: Event) -> str:
        if event.stage is Stage.BEGUN:
            return f"[bold]{event.task}[/] iteration {event.iteration} {event.text}".rstrip()
        if event.stage is Stage.CHILD:
            return self._child(event)
        if event.stage is Stage.EVALUATED:
            test = percent(event.accuracy)
            return f"  [green]published {event.task}[/]: validation {percent(event.best)} %, test {test} %"
        return ""

    def _child(self, event: Event) -> str:
        where = f"  {event.task} {event.iteration}.{event.generation}.{event.child}"
        best = "" if event.best is None else f", best {percent(event.best)} %"
        if event.recovered:
            what = "read from the log"
        elif event.quality is None:
            what = f"failed: {escape(event.text)}"
        else:
            what = f"{percent(event.quality)} % {'accepted' if event.accepted else 'rejected'}"
        count = f"child {event.done}/{event.total}"
        return f"[dim]{where}: {what}{best} · {count} · {self._eta(event)}[/]"
