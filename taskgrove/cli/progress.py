"""What a person sees while a system grows: where it stands, the best so far, and when it will end."""

from __future__ import annotations

import time
from types import TracebackType
from typing import final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from taskgrove.cli.active import ActiveTasks
from taskgrove.cli.display import AbstractDisplay
from taskgrove.cli.pace import Pace
from taskgrove.coordinator.base import Event, Stage
from taskgrove.reports.quantities import duration, percent
from taskgrove.trainer.base import Tick

_ROWS_LEFT_FREE = 6
"""Of the terminal, for the bar and some of what was printed before."""


@final
class GrowDisplay(AbstractDisplay):
    """On a terminal a bar, below a line per task when several are under way; elsewhere a line per child.

    Args:
        console: Where to show it.
        quiet: Show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[eta]}"),
            console=console,
        )
        self._bar = self._progress.add_task("reading tasks", total=None, eta="")
        self._tasks = ActiveTasks(console.height - _ROWS_LEFT_FREE)
        self._live = Live(console=console, refresh_per_second=10, get_renderable=self._shown)
        self._pace = Pace(time.monotonic)
        self._best: dict[str, str] = {}

    def __enter__(self) -> GrowDisplay:
        if self._console.is_terminal and not self._quiet:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def observe(self, event: Event) -> None:
        self._pace.hear(event)
        self._tasks.hear(event)
        line = self._line(event)
        if line and not self._quiet:
            self._console.print(line, highlight=False, markup=True)
        if event.best is not None:
            score = "" if event.score is None else f", score {event.score:.3f}"
            self._best[event.task] = f" · best {percent(event.best)} %{score}"
        one = f"{event.task} iteration {event.iteration}{self._best.get(event.task, '')}"
        self._progress.update(
            self._bar,
            description="all tasks" if self._tasks.together else one,
            total=event.total,
            completed=event.done,
            eta=self._eta(event),
        )

    def watch(self, tick: Tick) -> None:
        self._tasks.cycle(tick)
        if not self._tasks.together:
            child = f"{tick.task} {tick.iteration}.{tick.generation}.{tick.child}"
            cycle = f" cycle {tick.cycle}/{tick.cycles}: {percent(tick.accuracy)} %"
            self._progress.update(self._bar, description=f"{child}{cycle}{self._best.get(tick.task, '')}")

    def read(self, what: str, done: int, total: int) -> None:
        self._progress.update(self._bar, description=what, completed=done, total=total, eta="")
        left = next(task.time_remaining for task in self._progress.tasks if task.id == self._bar)
        if left:
            self._progress.update(self._bar, eta=f"ETA {duration(left)}")

    def _shown(self) -> RenderableType:
        return Group(self._tasks, self._progress) if self._tasks.together else self._progress

    def _eta(self, event: Event) -> str:
        left_s = self._pace.left_s(event)
        return "ETA …" if left_s is None else f"ETA {duration(left_s)}"

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
